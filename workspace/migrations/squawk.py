"""Squawk, the linter of PostgreSQL migrations, asked about the statements of one; its rules: https://squawkhq.com/docs."""

import json
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from workspace.migrations.findings import Finding
from workspace.migrations.statements import Statement

POSTGRESQL = "18"
OFF = (
    # What a column is to be like is for a review.
    *("ban-char-field", "identifier-too-long", "prefer-bigint-over-int", "prefer-bigint-over-smallint"),
    *("prefer-identity", "prefer-text-field", "prefer-timestamp-tz", "require-enum-value-ordering"),
    # What they loosen, the release before keeps to.
    *("ban-drop-constraint", "ban-drop-not-null"),
    # `migrate` sets one for each transaction, and `rules.py` looks after what is outside; data takes the time it takes.
    *("require-lock-timeout", "require-statement-timeout"),
)
# In Alembic's words, where Squawk speaks of SQL.
_OPTIONS = "postgresql_concurrently=True, inside of: with op.get_context().autocommit_block()"
_LATER = "postgresql_not_valid=True here, and VALIDATE CONSTRAINT in the next migration"
HOW = {
    "adding-field-with-default": "Add it without; then set the default, and fill the rows in the next migration.",
    "adding-foreign-key-constraint": f"Make it with {_LATER}; of a new column, apart from the column.",
    "adding-not-nullable-field": "Add a CHECK (… IS NOT NULL) NOT VALID, and in the next migration VALIDATE it before.",
    "adding-required-field": "Give it a server default, or add it nullable.",
    "ban-drop-column": "Drop it one release after the code has stopped using it, and say so.",
    "ban-drop-table": "Drop it one release after the code has stopped using it, and say so.",
    "changing-column-type": "Add a column of the new type, fill it, read it, and drop the old one: a release for each.",
    "constraint-missing-not-valid": f"Make it with {_LATER}.",
    "disallowed-unique-constraint": f"Build a unique index before, with {_OPTIONS}; then ADD CONSTRAINT … USING INDEX.",
    "prefer-robust-stmts": "Say if_not_exists=True: `migrate` drops what a failure has left half built.",
    "renaming-column": "Add the new one, fill it, read it, and drop the old one: a release for each.",
    "renaming-table": "Make the new one, fill it, read it, and drop the old one: a release for each.",
    "require-concurrent-index-creation": f"Build it with if_not_exists=True, {_OPTIONS}.",
    "require-concurrent-index-deletion": f"Drop it with if_exists=True, {_OPTIONS}.",
}


def squawked(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Finding]]:
    """What Squawk has to say, each with the statement it speaks of."""
    program = Path(sys.executable).with_name("squawk")
    command = [program, f"--pg-version={POSTGRESQL}", "--reporter=json", f"--exclude={','.join(OFF)}"]
    text = "\n".join(each.sql for each in statements)
    done = subprocess.run([*command, "--stdin-filepath=-"], input=text, capture_output=True, check=False, text=True)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"squawk failed: {done.stderr}")
    beginnings = list(accumulate((each.sql.count("\n") + 1 for each in statements), initial=0))
    for found in json.loads(done.stdout):
        statement = statements[bisect_right(beginnings, found["line"]) - 1]
        rule = found["rule_name"]
        how = HOW.get(rule) or found["help"]
        yield statement, Finding(statement.line, rule, " ".join(filter(None, [found["message"], how])))
