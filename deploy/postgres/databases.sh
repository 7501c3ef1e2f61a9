#!/bin/sh
# Makes each service's database and its two roles, or corrects them: databases.sh users billing
#
# <service>-migrate owns the database and changes its schema; <service> reads and writes rows, and can do nothing else.
# docs/decisions/0017-two-roles-and-secrets-in-volumes.md says why.
set -eu
export PGHOST="${PGHOST:-postgres}" PGUSER=postgres
PGPASSWORD=$(cat /run/secrets/postgres_password)
# Statements here hold passwords: the server logs none of them.
PGOPTIONS='-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic'
export PGPASSWORD PGOPTIONS

for service; do
  export service
  # The password is read by psql itself: what stands on a command line, everybody on the machine can see.
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse <<'EOT'
\getenv service service
\set owner :service -migrate
\set password `cat "/run/secrets/$service"`
\set owner_password `cat "/run/secrets/$service-migrate"`
SELECT format('CREATE ROLE %I', role) FROM unnest(ARRAY[:'service', :'owner']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
ALTER ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
SELECT format('REVOKE %s FROM %s', roleid::regrole, member::regrole) FROM pg_auth_members
WHERE member IN (SELECT oid FROM pg_roles WHERE rolname IN (:'service', :'owner')) \gexec
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
SELECT format('CREATE DATABASE %I', :'service')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
\connect :"service"
BEGIN;
ALTER DATABASE :"service" OWNER TO :"owner";
REASSIGN OWNED BY :"service" TO :"owner";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC, :"service";
GRANT CONNECT ON DATABASE :"service" TO :"service";
REVOKE ALL ON SCHEMA public FROM PUBLIC, :"service";
GRANT USAGE ON SCHEMA public TO :"service";
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, :"service";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"service";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, :"service";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public REVOKE ALL ON TABLES FROM :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE ON SEQUENCES TO :"service";
COMMIT;
EOT
done
