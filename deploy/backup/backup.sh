#!/bin/sh
# Backs up the database of each service: backup.sh users billing
#
# Leaves $BACKUPS/<now> with <service>.dump of each, and SHA256SUMS; if anything fails, nothing (exit code 1). PGHOST
# and the like say which server. Each database is read by its owner, <service>-migrate, with the password in
# /run/secrets, or else with that of PGPASSFILE.
set -eu
umask 077
: "${BACKUPS:=/backups}"
[ $# -gt 0 ] || { echo 'say which services: backup.sh users billing' >&2; exit 2; }

now=$(date -u +%Y-%m-%dT%H-%M-%SZ)
unfinished=$BACKUPS/.$now
mkdir "$unfinished"
trap 'rm -rf "$unfinished"' EXIT
trap 'exit 143' INT TERM

dump() { # service
  if [ -r "/run/secrets/$1-migrate" ]; then
    PGPASSWORD=$(cat "/run/secrets/$1-migrate")
    export PGPASSWORD
  fi
  pg_dump --format=custom --no-password --username="$1-migrate" --file="$unfinished/$1.dump" "$1"
  # Read to its end, as a restore would.
  pg_restore --file=/dev/null "$unfinished/$1.dump"
}

# At once: the less time between two databases, the less has one told that the other does not have.
running=
for service; do
  dump "$service" &
  running="$running $service:$!"
done
failed=
for each in $running; do
  wait "${each#*:}" || failed="$failed ${each%:*}"
done
[ -z "$failed" ] || { echo "nothing is kept, because these could not be backed up:$failed" >&2; exit 1; }

(cd "$unfinished" && sha256sum -- *.dump >SHA256SUMS)
# Whoever has the folder outside can take it away.
[ "$(id -u)" != 0 ] || chown -R --reference="$BACKUPS" "$unfinished"
sync
mv "$unfinished" "$BACKUPS/$now"
trap - EXIT
echo "$now"
