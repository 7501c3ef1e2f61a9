#!/bin/sh
# Makes each service's database and its two roles, or corrects them: databases.sh users billing
#
# <service>-migrate owns the database and changes its schema; <service> reads and writes rows, and can do nothing else.
set -eu
export PGHOST=postgres PGUSER=postgres
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGPASSWORD

for service; do
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --set=service="$service" --set=owner="$service-migrate" \
    --set=password="$(cat "/run/secrets/$service")" --set=owner_password="$(cat "/run/secrets/$service-migrate")" <<'EOT'
SELECT format('CREATE ROLE %I', role) FROM unnest(ARRAY[:'service', :'owner']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE :"service" LOGIN PASSWORD :'password';
ALTER ROLE :"owner" LOGIN PASSWORD :'owner_password';
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"service" TO :"service";
\connect :"service"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"service";
GRANT ALL ON SCHEMA public TO :"owner";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE ON SEQUENCES TO :"service";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"service";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"service";
EOT
done
