"""What a migration is allowed all the same: `# allow RULE: reason`, at its statement or in the comment above it."""

import re
from collections.abc import Iterator, Sequence

from workspace.migrations.findings import Finding

_ALLOWANCE = re.compile(r"#\s*allow (?P<rule>[a-z-]+):\s*\S")
# A rule, and the line of the comment.
Allowance = tuple[str, int]


def without_allowed(findings: Sequence[Finding], text: str) -> list[Finding]:
    """The findings that nothing allows, and the allowances that nothing needs."""
    lines = text.splitlines()
    used: set[Allowance] = set()
    kept = []
    for finding in findings:
        allowances = [each for each in _around(lines, finding.line) if each[0] == finding.rule]
        used.update(allowances)
        kept += [] if allowances else [finding]
    unused = [each for number in range(1, len(lines) + 1) for each in _in(lines, number) if each not in used]
    return kept + [Finding(line, rule, "This is allowed, and nothing here does it.") for rule, line in unused]


def _around(lines: Sequence[str], number: int) -> Iterator[Allowance]:
    yield from _in(lines, number)
    while number > 1 and lines[number - 2].lstrip().startswith("#"):
        number -= 1
        yield from _in(lines, number)


def _in(lines: Sequence[str], number: int) -> Iterator[Allowance]:
    yield from ((found["rule"], number) for found in _ALLOWANCE.finditer(lines[number - 1]))
