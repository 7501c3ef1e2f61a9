#!/bin/sh
# Fills the empty databases of services from a backup: restore.sh 2026-11-23T14-00-00Z [users…]
#
# Each is filled whole, or stays empty (exit code 1, and stderr names it). A backup that is not whole, and a database
# that is not empty, are refused before anything is done (exit code 2). Everything belongs to <service>-migrate then,
# and <service> has the rights that databases.sh has given it. The server and the passwords are those of backup.sh.
set -eu
: "${BACKUPS:=/backups}"
refuse() { echo "$1; nothing was done" >&2; exit 2; }

[ $# -gt 0 ] || refuse 'say which backup: restore.sh 2026-11-23T14-00-00Z'
cd "$BACKUPS/$1" 2>/dev/null || refuse "there is no backup $1 in $BACKUPS"
shift
sha256sum --check --quiet --strict SHA256SUMS >&2 || refuse 'this backup is not whole'
# shellcheck disable=SC2046 # names of services have no blanks
[ $# -gt 0 ] || set -- $(sed 's/^.*  //; s/\.dump$//' SHA256SUMS)

as_owner() { # service, command…
  service=$1
  shift
  if [ -r "/run/secrets/$service-migrate" ]; then
    PGPASSWORD=$(cat "/run/secrets/$service-migrate")
    export PGPASSWORD
  fi
  "$@" --no-password --username="$service-migrate" --dbname="$service"
}

for service; do
  grep -q "  $service\.dump\$" SHA256SUMS || refuse "this backup has nothing of $service"
  tables=$(as_owner "$service" psql --no-psqlrc --tuples-only --no-align --command="
    SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\_%'") ||
    refuse "the database $service cannot be read"
  [ "$tables" = 0 ] || refuse "the database $service is not empty"
done

failed=
for service; do
  as_owner "$service" pg_restore --exit-on-error --single-transaction --no-owner --no-privileges "$service.dump" ||
    failed="$failed $service"
done
[ -z "$failed" ] || { echo "still empty:$failed" >&2; exit 1; }
