#!/bin/sh
# Replaces the containers of a service by new ones, one after the other, and no request fails: deploy/roll.sh billing
#
# The new ones have the image and the settings that compose.yaml now names. An old one goes when a new one is healthy and
# the edge has sent it a request; where that does not happen, what is left of the old ones stays.
set -eu
[ $# = 1 ] || { echo "usage: TAG=1.4.0 $0 SERVICE" >&2; exit 2; }
service=$1
# A machine may have more than one of each.
docker=${DOCKER_CLI:-docker}
compose() { ${DOCKER_COMPOSE:-$docker compose} "$@"; }
patience_s=${ROLL_PATIENCE_S:-120}

running() { compose ps --quiet "$service"; }

# The container that is there now, and was not before: $1 has those.
new_among() { running | grep -vxF "$1"; }

is_well() { [ "$("$docker" container inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

# A service writes a line for each request, with its id.
is_asked_by_the_edge() {
  compose exec -T edge wget --quiet --output-document=/dev/null --header="X-Request-ID: roll-$1" \
    "http://127.0.0.1:8080/$service/v1" >/dev/null 2>&1 || true
  "$docker" logs "$1" 2>&1 | grep -qF "roll-$1"
}

# Asks again until it is so, for as long as there is patience.
until_it() {
  left_s=$patience_s
  until "$@"; do
    left_s=$((left_s - 1))
    [ "$left_s" -gt 0 ] || return 1
    sleep 1
  done
}

give_up() {
  trap - EXIT HUP INT TERM
  echo "roll: $1; what was there before stays" >&2
  if [ -n "$new" ]; then
    "$docker" logs --tail 50 "$new" >&2 || true
    "$docker" rm --force "$new" >/dev/null
  fi
  exit 1
}

new=
old=$(running)
[ -n "$old" ] || give_up "$service has no container; docker compose up --wait starts it"
count=$(echo "$old" | wc -l)
compose run --rm --no-deps "$service-migrate" || give_up "$service could not migrate"

trap 'give_up interrupted' EXIT HUP INT TERM
for each in $old; do
  before=$(running)
  # Not --wait: it would wait for old ones, too, and one that is ill is a reason to roll.
  compose up --detach --no-deps --no-recreate --no-build --scale "$service=$((count + 1))" "$service"
  new=$(new_among "$before") || give_up "there is no new container"
  until_it is_well "$new" || give_up "the new container is not healthy"
  until_it is_asked_by_the_edge "$new" || give_up "the edge sends the new container nothing"
  new=
  # Within its stop_grace_period, in which it answers whom it has heard.
  "$docker" stop "$each" >/dev/null
  "$docker" rm "$each" >/dev/null
  echo "roll: $service has another container in place of $(echo "$each" | cut -c 1-12)"
done
trap - EXIT
echo "roll: $service has $count new containers"
