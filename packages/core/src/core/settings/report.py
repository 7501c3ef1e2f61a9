"""The text of a failed boot: every problem at once, each with what to do, and no secret in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Secret, SecretStr, ValidationError

from core.redaction import MASK, redact
from core.settings.types import Fault
from core.settings.variables import Location, Table, Variable

# EX_CONFIG in sysexits.h: an orchestrator can tell a wrong configuration from a crash.
EX_CONFIG = 78

# Shorter pieces occur in ordinary words; masking them would make a message unreadable, and they protect nothing.
_PIECE_MIN = 4
_VALUE_LENGTH_MAX = 100
_GIVEN = "argument"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `value` is safe to print; an empty text says nothing."""

    name: str
    fault: str
    path: Location = ()
    value: str = ""
    origin: str = ""
    meaning: str = ""
    accepts: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        subject = f"{self.name}={self.value}" if self.value else self.name
        origin = f" ({self.origin})" if self.origin else ""
        details = {"Meaning": self.meaning, "Accepts": self.accepts, "To do": self.remedy}
        said = [f"    {key}: {text}" for key, text in details.items() if text]
        return "\n".join([f"{subject}{origin} {self.fault}.", *said])


class ConfigurationError(Exception):
    """The service cannot start as it is configured; the message is for the person who configured it."""

    exit_code: ClassVar[int] = EX_CONFIG

    def __init__(self, service: str, problems: Iterable[Problem], notes: Iterable[str] = ()) -> None:
        self.service = service
        self.problems = tuple(problems)
        count = "one setting is wrong" if len(self.problems) == 1 else f"{len(self.problems)} settings are wrong"
        opening = "\n".join([f"{service} cannot start: {count}.", *notes])
        super().__init__("\n\n".join([opening, *map(str, self.problems)]))


def problems_in(error: ValidationError, table: Table) -> Iterator[Problem]:
    """What pydantic refused, in the words of the table; its own messages may quote what they refuse."""
    for line in error.errors(include_url=False):
        path = tuple(part for part in line["loc"] if isinstance(part, str))
        fault = line.get("ctx", {}).get("error", "")
        reason = redact(str(fault))
        variable = table.find(path)
        if (variable is None or variable.secret) and not isinstance(fault, Fault):
            reason = _scrubbed(reason, line["input"])
        if variable is None:
            yield _out_of_place(table, path, reason)
        elif line["type"] == "missing":
            yield missing(variable)
        else:
            yield refused(variable, line["input"], reason)


def missing(variable: Variable) -> Problem:
    """A variable that has to be set and is not."""
    file = f", or in the file {variable.name.lower()} of the secrets directory" if variable.secret else ""
    how = f"; {variable.how}" if variable.how else ""
    return Problem(
        name=variable.name,
        path=variable.path,
        fault="is missing",
        meaning=variable.description,
        accepts=variable.accepts,
        remedy=f"set it in the environment{file}{how}",
    )


def refused(variable: Variable, value: object, reason: str) -> Problem:
    """A variable whose value is not acceptable."""
    optional = variable.default is not None and not variable.secret
    remedy = f"correct it, or leave it out for {variable.default or 'none'}" if optional else "correct it"
    return Problem(
        name=variable.name,
        path=variable.path,
        fault=f"is refused: {reason}" if reason else "is refused",
        value=_shown(variable, value),
        origin=_GIVEN,
        meaning=variable.description,
        accepts=variable.accepts,
        remedy=variable.how or remedy,
    )


def unknown(table: Table, path: Location, origin: str) -> Problem:
    """A name with the service's prefix that no setting has. Its value is not shown: it may be a misspelt secret."""
    name, members, nearest = table.name(path), table.below(path), table.nearest(path)
    if members:
        fault, remedy = "is a group of settings", f"set its members: {', '.join(members)}"
    else:
        fault = f"is not a setting of {table.service}"
        remedy = f"did you mean {nearest}?" if nearest else "remove it"
    return Problem(name=name, path=path, fault=fault, origin=origin, remedy=remedy)


def _out_of_place(table: Table, path: Location, reason: str) -> Problem:
    """A refusal of a whole group, or of something that has no place."""
    if not reason:
        return unknown(table, path, _GIVEN)
    name = table.name((*path, "*"))
    return Problem(name=name, path=path, fault=f"is refused: {reason}", remedy="correct one of these")


def _shown(variable: Variable, value: object) -> str:
    # A refused secret has no known shape: not even its user part can be told from its password.
    text = " ".join(variable.show("" if variable.secret else value).split())
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[:_VALUE_LENGTH_MAX]}…"


def _scrubbed(reason: str, given: object) -> str:
    """The words of a validator, which a service may have written, without the texts that were given to it."""
    for piece in sorted(_pieces(given), key=len, reverse=True):
        if len(piece) >= _PIECE_MIN:
            reason = reason.replace(piece, MASK)
    return reason


def _pieces(given: object) -> Iterator[str]:
    match given:
        case str():
            yield given
            # The password of a URL, too: that is what a message about it would quote.
            yield given.rpartition("@")[0].rpartition(":")[2]
        case SecretStr() | Secret():
            yield from _pieces(given.get_secret_value())
        case Mapping():
            for member in given.values():
                yield from _pieces(member)
