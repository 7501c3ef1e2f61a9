"""SQL in the databases of the stack, in one role or another."""

import subprocess

from stack import Stack

# As the service comes in: over the network, with its password.
_AS_ROLE = 'PGPASSWORD=$(cat "/run/secrets/$0") exec psql --host=postgres --username="$0" "$@"'


def execute(
    stack: Stack, statement: str, *, database: str, role: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a statement in a role that has a password in a file; without one, as the superuser, who needs none."""
    program = ["sh", "-c", _AS_ROLE, role] if role else ["psql", "--username=postgres"]
    told = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=VERBOSITY=verbose"]
    return stack.compose(
        *("exec", "-T", "postgres", *program, *told, f"--dbname={database}", f"--command={statement}"), check=check
    )


def rows(stack: Stack, statement: str, *, database: str) -> list[str]:
    """What a statement of the superuser gives, a line a row."""
    return execute(stack, statement, database=database).stdout.split("\n")[:-1]
