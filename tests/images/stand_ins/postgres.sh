#!/bin/sh
# What the image of PostgreSQL does when it starts: a new cluster if there is none, and never as root.
set -eu
[ "$1" = postgres ] || exec "$@"
as_postgres() { setpriv --reuid=999 --regid=999 --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chown -R 999:999 /var/lib/postgresql
  password=$(mktemp)
  cp "$POSTGRES_PASSWORD_FILE" "$password"
  chown 999 "$password"
  as_postgres initdb --username=postgres --pwfile="$password" --auth-host=scram-sha-256 --locale-provider=builtin \
    --locale=C.UTF-8 --encoding=UTF8
  rm "$password"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
exec setpriv --reuid=999 --regid=999 --clear-groups "$@"
