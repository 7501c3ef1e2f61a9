"""How the answer is said: lines to read, or one JSON object with a matrix for CI."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workspace.affected.decision import Reasons
from workspace.affected.units import SUITES


@dataclass(frozen=True, slots=True)
class Answer:
    """What is touched, and since when."""

    # The revision that was asked for, and the commit at which HEAD left it; neither where all is touched anyhow.
    base: str | None
    merge_base: str | None
    reasons: Reasons
    # Every Python that members are tested under.
    pythons: Sequence[str]

    def lines(self) -> Iterator[str]:
        """A line a unit, with the reasons."""
        if not self.reasons:
            yield f"nothing: no test can come out otherwise than at {self.base}"
        width = max(map(len, self.reasons), default=0)
        for unit, why in self.reasons.items():
            yield f"{unit:{width}}  {'; '.join(_sentences(why))}"

    def document(self) -> str:
        """The object, in one line of ASCII whatever the paths are called."""
        members = [unit for unit in self.reasons if unit not in SUITES]
        jobs = [{"member": member, "python": python} for member in members for python in self.pythons]
        return json.dumps(
            {
                "base": self.base,
                "merge_base": self.merge_base,
                "units": {unit: _sentences(why) for unit, why in self.reasons.items()},
                "members": members,
                "tests": bool(members),
                **{suite: suite in self.reasons for suite in sorted(SUITES)},
                "pythons": self.pythons,
                "matrix": {"include": jobs},
            }
        )


def _sentences(why: dict[str, list[str]]) -> list[str]:
    return [f"{because}: {_shortened(those)}" for because, those in why.items()]


def _shortened(those: list[str]) -> str:
    # A name of a file may hold anything, a line break or half a character too.
    first = those[0].encode(errors="surrogateescape").decode(errors="backslashreplace").replace("\n", "\\n")
    return first if len(those) == 1 else f"{first} and {len(those) - 1} more"
