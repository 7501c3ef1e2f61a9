"""One thing that a migration may not do, and where it does it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a statement breaks; `line` is that of the migration's file."""

    line: int
    rule: str
    message: str
