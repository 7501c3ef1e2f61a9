"""What keeps others waiting, or cannot be judged, and Squawk lets pass."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from workspace.migrations.findings import Finding
from workspace.migrations.statements import Statement


class Rule(NamedTuple):
    """A statement that is refused, and why."""

    name: str
    pattern: str
    message: str


EDGES = {"BEGIN;", "COMMIT;"}
_WAIT = "nobody reads or writes the table meanwhile"
RULES = (
    Rule("lock-table", r"LOCK\b", f"It locks a table until the migration ends: {_WAIT}."),
    Rule("truncate", r"TRUNCATE\b", "All rows are lost, and the release before still uses them."),
    Rule("rewrite-table", r"(VACUUM\b.*\bFULL|CLUSTER)\b", f"It rewrites the table: {_WAIT}."),
    Rule(
        "rewrite-table",
        r"ALTER TABLE .*\bSET (UNLOGGED|LOGGED|TABLESPACE|ACCESS METHOD)\b",
        f"It rewrites the table: {_WAIT}.",
    ),
    Rule(
        "rewrite-table",
        r"ALTER TABLE .*\bADD COLUMN \S+ (SMALL|BIG)?SERIAL\b",
        f"Its default differs from row to row, so the table is rewritten: {_WAIT}.",
    ),
    Rule(
        "refresh-view",
        r"REFRESH MATERIALIZED VIEW (?!CONCURRENTLY)",
        "Nobody reads the view meanwhile: REFRESH MATERIALIZED VIEW CONCURRENTLY.",
    ),
    Rule(
        "checked-field",
        r"ALTER TABLE .*\bADD COLUMN .*\bCHECK\b",
        f"It scans the table: {_WAIT}. Add the check by itself, with postgresql_not_valid=True.",
    ),
    Rule("hidden-statement", r"DO\b", "What it does cannot be seen: write the statements themselves."),
    Rule(
        "lock-timeout",
        r"(SET|RESET) (LOCAL |SESSION )?LOCK_TIMEOUT\b|.*\bSET_CONFIG\W+LOCK_TIMEOUT\b",
        "`migrate` sets it, and tries again: with another one, everybody may wait behind this.",
    ),
)
OUTSIDE = Rule(
    "outside-a-transaction",
    r"(ALTER|CREATE|DROP|REINDEX)\b(?!.*\b(CONCURRENTLY|VALIDATE CONSTRAINT|ADD VALUE)\b)",
    "No lock_timeout holds in an autocommit block: everybody may wait behind this. Only what is concurrent goes there.",
)
BEFORE = Rule(
    "not-repeatable",
    r"(ALTER|CREATE|DROP)\b(?!.*\b(IF EXISTS|IF NOT EXISTS|OR REPLACE|VALIDATE CONSTRAINT)\b)",
    "The autocommit block after it commits it, and a migration that fails there does it again: "
    "if_not_exists=True, or a migration of its own.",
)


def broken(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Finding]]:
    """What breaks a rule, each with the statement that does."""
    flat = [" ".join(each.sql.split()) for each in statements]
    outside = [_is_outside(flat, position) for position in range(len(flat))]
    for position, sql in enumerate(flat):
        places = [OUTSIDE] if outside[position] else [BEFORE] if any(outside[position:]) else []
        for rule in (*RULES, *places):
            if re.match(rule.pattern, sql, re.IGNORECASE):
                statement = statements[position]
                yield statement, Finding(statement.line, rule.name, rule.message)


def _is_outside(flat: Sequence[str], position: int) -> bool:
    """Whether the statement is in an autocommit block."""
    edges = [sql for sql in flat[:position] if sql in EDGES]
    return flat[position] not in EDGES and edges[-1:] == ["COMMIT;"]
