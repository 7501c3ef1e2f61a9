"""The command `lint-migrations`: what no migration may do while others use the database."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from workspace.members import Member, members_of
from workspace.migrations.allowances import without_allowed
from workspace.migrations.findings import Finding
from workspace.migrations.rules import broken
from workspace.migrations.squawk import squawked
from workspace.migrations.statements import Statement, UnreadableError, statements_of

# In [tool.workspace] of a service: the last migration that was released before there was this lint.
BASELINE = "lint-migrations-after"
HOW_TO_ALLOW = "Where it has to be: `# allow RULE: reason`, in the line above the statement.\n"

_CREATED = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?!IF )(?P<table>\S+)", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?|CREATE (?:UNIQUE )?INDEX .*?\bON |LOCK (?:TABLE )?)(?P<table>[^\s;]+)",
    re.IGNORECASE,
)


class WrongBaselineError(Exception):
    """A service names a last migration that it has not."""


def lint_migrations(root: Path) -> bool:
    """Prints what is wrong with the migrations of the services; whether there is nothing.

    Raises:
        WrongBaselineError: a service has no such migration as it says.
    """
    found = [
        f"{file.relative_to(root)}:{each.line}: {each.rule}: {each.message}\n"
        for member in members_of(root).values()
        for file in _linted(member)
        for each in findings_in(file)
    ]
    sys.stdout.write("".join([*found, HOW_TO_ALLOW] if found else ["Migrations keep nobody waiting.\n"]))
    return not found


def findings_in(file: Path) -> list[Finding]:
    """What is wrong with one migration, in the order of its lines."""
    try:
        statements = statements_of(file)
    except UnreadableError as unreadable:
        findings = [Finding(unreadable.line, "unreadable", f"It cannot be judged: {unreadable}. Say it in SQL.")]
    else:
        fresh = {found["table"] for each in statements if (found := _CREATED.match(each.sql))}
        judged = [*squawked(statements), *broken(statements)]
        findings = list(dict.fromkeys(finding for statement, finding in judged if _table(statement) not in fresh))
    return sorted(without_allowed(findings, file.read_text()), key=lambda each: (each.line, each.rule))


def _linted(member: Member) -> Iterator[Path]:
    files: Sequence[Path] = sorted((member.folder / "src" / member.name / "migrations").glob("[0-9]*.py"))
    baseline = member.tools.get("workspace", {}).get(BASELINE, "")
    if baseline and baseline not in {file.stem for file in files}:
        raise WrongBaselineError(f"{member.folder / 'pyproject.toml'}: {BASELINE} = {baseline!r} is no migration")
    yield from (file for file in files if file.stem > baseline)


def _table(statement: Statement) -> str | None:
    """The table that is altered, indexed or locked."""
    found = _ABOUT.match(" ".join(statement.sql.split()))
    return found["table"] if found else None
