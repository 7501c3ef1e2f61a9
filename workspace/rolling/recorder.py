"""A plugin of pytest that leaves a line for each test that fails: which, why, and whether the database refused.

It runs in the environment of the code under test, of which it knows nothing.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The classes of asyncpg for what is not there (42…), what breaks a constraint (23…), and what has another type (22…).
# A traceback, a line of the log, and SQLAlchemy write them differently.
REFUSALS = re.compile(
    r"\b((?:Undefined\w+|\w+Violation|InvalidTextRepresentation|DatatypeMismatch|InvalidColumnReference)Error)"
    r"(?:'>)?: (.+)"
)
# It says that code and schema are not of one commit, and nothing else.
LEFT_OUT = "test_models_and_migrated_schema_are_equal"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out the one test that cannot pass."""
    items[:] = [each for each in items if each.name.partition("[")[0] != LEFT_OUT]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Looks at what a test that failed has said and logged, in processes of its own, too."""
    report: Any = yield
    if report.failed:
        told = "\n".join([str(report.longrepr), *(text for _, text in report.sections)])
        refusals = REFUSALS.findall(told)
        why = ": ".join(refusals[-1]) if refusals else _why(report.longrepr)
        line = {"test": item.nodeid, "why": why, "is_refused": bool(refusals)}
        with Path(os.environ["ROLLING_REPORT"]).open("a") as file:
            file.write(f"{json.dumps(line)}\n")
    return report


def _why(failure: Any) -> str:
    """The first line of what was raised, or the last of whatever else pytest has to say."""
    crash = getattr(failure, "reprcrash", None)
    return crash.message.partition("\n")[0] if crash else str(failure).strip().rpartition("\n")[2]
