"""Adds what a service has in a YAML file of all services, and takes it out; the rest of the file stays, to the byte."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import yaml

from workspace.scaffold.outline import Entry, outline
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import SERVICE

# How far what something holds stands inside it, where it holds nothing yet.
INDENT = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where entries come: in `into`, below `above` if that has entries already."""

    into: Entry
    above: Entry | None
    entries: list[Entry]

    def last(self, lines: list[str]) -> int:
        """The number of the line that they come below."""
        return _last(lines, self.above) if self.above else self.into.first

    def column(self, lines: list[str]) -> int:
        """Where their lines begin."""
        return _column(lines[self.above.first]) if self.above else _column(lines[self.into.first]) + INDENT


@dataclass(frozen=True, slots=True)
class Addition:
    """What a service adds to a file: `part` has the file's own structure down to each entry that is to be there.

    Attributes:
        part: With the template's name in the place of the service's.
        file: What it is added to, for whoever is told that it cannot be.
    """

    part: str
    service: str
    file: Path

    def added(self, text: str, *, others: Collection[str]) -> str:
        """The file with it, below what these other services have there.

        Raises:
            Refused: the file has no such place, or has some of it already.
        """
        lines = text.splitlines(keepends=True)
        places = self._places(self._part, outline(text, file=self.file), others, path=())
        # From below: lines that are above keep their numbers.
        for last, place in sorted(((place.last(lines), place) for place in places), key=itemgetter(0), reverse=True):
            lines[last + 1 : last + 1] = self._written(place.entries, column=place.column(lines))
        new = "".join(lines)
        self._check(new, before=text)
        return new

    def removed(self, text: str) -> str:
        """The file without it, whatever somebody has made of it; what is not there is no obstacle."""
        lines = text.splitlines(keepends=True)
        found = self._found(self._part, outline(text, file=self.file))
        for entry in sorted(found, key=lambda entry: entry.first, reverse=True):
            del lines[_first(lines, entry) : _last(lines, entry) + 1]
        return "".join(lines)

    def _places(
        self, part: Entry, target: Entry, others: Collection[str], *, path: tuple[str, ...]
    ) -> Iterator[_Place]:
        own = [entry for entry in part.within if _is_own(entry)]
        for entry in part.within:
            if entry.within and entry not in own:
                at = (*path, entry.name) if entry.name else path
                counterpart = next(_counterparts(entry, target), None)
                if counterpart is None:
                    raise Refused(f"{self.file} has no {'.'.join(at)}, where services are listed: put it back.")
                yield from self._places(entry, counterpart, others, path=at)
        if own:
            yield self._place(own, target, others, path)

    def _place(self, own: list[Entry], target: Entry, others: Collection[str], path: tuple[str, ...]) -> _Place:
        names = {self._put(entry.name) for entry in own}
        for entry in target.within:
            if entry.name in names:
                at = ".".join((*path, entry.name))
                raise Refused(f"{self.file} has {at} already: take it out, or choose another name.")
        if not target.is_open:
            raise Refused(f"{self.file} has {'.'.join(path)} on one line: write a line an entry.")
        like = {_put(own[-1].name, other) for other in others}
        above = [entry for entry in target.within if entry.name in like] or target.within
        return _Place(target, above[-1] if above else None, own)

    def _written(self, entries: list[Entry], *, column: int) -> Iterator[str]:
        lines = self.part.splitlines(keepends=True)
        was = _column(lines[entries[0].first])
        for entry in entries:
            for line in lines[_first(lines, entry) : _last(lines, entry) + 1]:
                yield " " * column + self._put(line[was:]) if line.strip() else line

    def _check(self, text: str, *, before: str) -> None:
        """That it is whole, with all that is referred to, and can be taken back."""
        try:
            yaml.safe_load(text)
        except yaml.MarkedYAMLError as wrong:
            raise Refused(f"{self.file} would be no YAML any more ({wrong.problem}): write it as it was.") from wrong
        if self.removed(text) != before:
            raise Refused(f"{self.file} is not laid out in lines that can be told apart: write a line an entry.")

    def _found(self, part: Entry, target: Entry) -> Iterator[Entry]:
        """What of the file is the service's."""
        for entry in part.within:
            if _is_own(entry):
                yield from (each for each in target.within if each.name == self._put(entry.name))
            else:
                for counterpart in _counterparts(entry, target):
                    yield from self._found(entry, counterpart)

    @property
    def _part(self) -> Entry:
        return outline(self.part, file=self.file)

    def _put(self, text: str) -> str:
        return _put(text, self.service)


def _put(text: str, service: str) -> str:
    """The text with a service's name in the place of the template's."""
    return text.replace(SERVICE, service).replace(SERVICE.upper(), service.upper())


def _is_own(entry: Entry) -> bool:
    return SERVICE in entry.name.lower()


def _counterparts(part: Entry, target: Entry) -> Iterator[Entry]:
    """What is called the same; of items of a list, those that have all texts that this one has."""
    texts = _texts(part)
    return (each for each in target.within if each.name == part.name and (part.name or texts <= _texts(each)))


def _texts(entry: Entry) -> set[tuple[str, str]]:
    return {(each.name, each.text) for each in entry.within if each.text}


def _first(lines: list[str], entry: Entry) -> int:
    """The number of its first line, the comments that it has above it and the empty lines above those included."""
    first, column = entry.first, _column(lines[entry.first])
    while first and lines[first - 1].lstrip().startswith("#") and _column(lines[first - 1]) == column:
        first -= 1
    while first and not lines[first - 1].strip():
        first -= 1
    return first


def _last(lines: list[str], entry: Entry) -> int:
    """The number of its last line; the empty ones below a text of several lines belong to it, but are nobody's."""
    last = entry.last
    while not lines[last].strip():
        last -= 1
    return last


def _column(line: str) -> int:
    return len(line) - len(line.lstrip())
