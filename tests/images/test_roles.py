"""The role that a service runs in reads and writes rows; what the journeys do not need, it cannot do."""

import pytest
from engine import SERVICES
from sql import execute, rows
from stack import Stack

NOT_ALLOWED = "42501"
REFUSED = [
    "CREATE TABLE mine (n int)",
    "CREATE TEMPORARY TABLE mine (n int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION pg_buffercache",
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "ALTER TABLE outbox ADD COLUMN mine int",
    "ALTER TABLE outbox DISABLE TRIGGER ALL",
    "DROP TABLE outbox",
    "TRUNCATE outbox",
    "CREATE INDEX mine ON outbox (type)",
    "SET session_replication_role = replica",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER SYSTEM SET fsync = off",
    "COPY outbox TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT passwd FROM pg_shadow",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' OR usename IS NULL",
]
KEPT = [("billing", "ledger_entries"), ("billing", "ledger_transactions"), ("users", "audit_events")]


@pytest.mark.parametrize("statement", REFUSED)
@pytest.mark.parametrize("service", SERVICES)
def test_the_role_of_a_service_can_do_nothing_but_rows(stack: Stack, service: str, statement: str):
    refused = execute(stack, statement, database=service, role=service, check=False)
    assert refused.returncode != 0
    assert NOT_ALLOWED in refused.stderr


@pytest.mark.parametrize(("service", "table"), KEPT)
def test_what_is_kept_for_good_is_kept_from_it_too(stack: Stack, service: str, table: str):
    refused = execute(stack, f"DELETE FROM {table}", database=service, role=service, check=False)  # noqa: S608 - ours
    assert "append-only" in refused.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_not_let_into_another_database_or_role(stack: Stack, service: str):
    for other in {*SERVICES, "postgres", "template1"} - {service}:
        refused = execute(stack, "SELECT 1", database=other, role=service, check=False)
        assert "permission denied for database" in refused.stderr
    other_role = execute(stack, f'SET ROLE "{service}-migrate"', database=service, role=service, check=False)
    assert NOT_ALLOWED in other_role.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_the_role_that_migrates_owns_its_schema_and_is_no_superuser(stack: Stack, service: str):
    owner = f"{service}-migrate"
    owners = rows(stack, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", database=service)
    assert owners == [owner]
    for statement in ("CREATE ROLE mine", "SELECT pg_read_file('PG_VERSION')", "CREATE DATABASE mine"):
        refused = execute(stack, statement, database=service, role=owner, check=False)
        assert NOT_ALLOWED in refused.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_rights_that_were_changed_are_corrected(stack: Stack, service: str):
    changed = f"""
        GRANT TRUNCATE ON outbox TO {service};
        GRANT ALL ON SCHEMA public TO {service};
        GRANT pg_read_all_data TO {service};
        GRANT "{service}-migrate" TO {service};
        ALTER ROLE {service} CREATEDB CREATEROLE;
        CREATE TABLE strayed (n int);
        ALTER TABLE strayed OWNER TO {service};
        REVOKE SELECT ON inbox FROM {service};
    """  # noqa: S608 - ours
    execute(stack, changed, database=service)
    for _ in range(2):
        stack.compose("run", "--rm", "-T", "databases", *SERVICES)
        for statement in ("TRUNCATE outbox", "CREATE TABLE mine (n int)", "DROP TABLE strayed", "CREATE ROLE mine"):
            refused = execute(stack, statement, database=service, role=service, check=False)
            assert NOT_ALLOWED in refused.stderr, statement
    execute(stack, "SELECT FROM inbox LIMIT 1", database=service, role=service)
    memberships = f"SELECT FROM pg_auth_members WHERE member = '{service}'::regrole"
    assert rows(stack, memberships, database=service) == []
    execute(stack, "DROP TABLE strayed", database=service, role=f"{service}-migrate")


def test_no_password_is_in_a_log_or_on_a_command_line(stack: Stack):
    secrets = stack.compose("exec", "-T", "postgres", "sh", "-c", "cat /run/secrets/*").stdout.split()
    assert len(secrets) == 1 + 2 * len(SERVICES)
    logged = stack.compose("logs", "--no-color").stdout
    script = stack.compose("run", "--rm", "-T", "--entrypoint", "sh -x", "databases", "/databases.sh", *SERVICES)
    # What the shell shows of itself is what it sets, and which programs it starts with which arguments.
    started = [line for line in script.stderr.splitlines() if line.startswith("+ psql")]
    assert len(started) == len(SERVICES)
    for secret in secrets:
        assert secret not in logged
        assert not any(secret in line for line in started)
