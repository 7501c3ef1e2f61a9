"""Versions as entity tags, and what a request may say about them before it is served (RFC 9110, sections 8.8.3, 13)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import PreconditionFailed, PreconditionRequired

# Between the quotes everything but control characters, spaces and quotes: a comma, too.
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")


def etag_of(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"v{version}"'


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The value of If-Match or If-None-Match: tags, or `*` for whatever there is; nothing if it is malformed."""

    tags: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    anything: bool = False

    @classmethod
    def parse(cls, value: str) -> "EntityTags":
        """Reads a list of tags; a list that has one mistake names nothing."""
        if value.strip() == "*":
            return cls(anything=True)
        found = list(_listed(value))
        if None in found:
            return cls()
        given = [each for each in found if each is not None]
        return cls(frozenset(tag for weak, tag in given if not weak), frozenset(tag for weak, tag in given if weak))

    def has(self, etag: str) -> bool:
        """Whether it names this strong tag, by strong comparison: `W/"v1"` is not `"v1"`."""
        return self.anything or etag in self.tags

    def has_weakly(self, etag: str) -> bool:
        """Whether it names this tag, by weak comparison: a proxy that compresses makes a tag weak."""
        return self.has(etag) or etag in self.weak


def _listed(value: str) -> Iterator[tuple[bool, str] | None]:
    """The tags of a comma-separated list (section 5.6.1), each weak or not; None where there is something else."""
    rest = value.strip(" \t,")
    while rest:
        tag = _TAG.match(rest)
        if tag is None:
            yield None
            return
        yield tag[1] is not None, tag[2]
        following = _SEPARATOR.match(rest, tag.end())
        if following is None and tag.end() < len(rest):
            yield None
            return
        rest = rest[following.end() :] if following else ""


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What a request says that must hold of the present version of its target; `None`: it says nothing.

    Dates are not looked at: no answer of ours has a Last-Modified (section 13.1.3).
    """

    if_match: EntityTags | None = None
    if_none_match: EntityTags | None = None

    def check(self, version: int) -> None:
        """For a write, in the transaction that sees this version and keeps others from changing it.

        Raises:
            PreconditionRequired: the request has no If-Match (RFC 6585, section 3).
            PreconditionFailed: it was made for another version, or for there being none.
        """
        if self.if_match is None:
            raise PreconditionRequired
        if not self.if_match.has(etag_of(version)) or self._knows(version):
            raise PreconditionFailed

    def is_known(self, version: int) -> bool:
        """For a read: whether the caller has this version already, and is answered 304.

        Raises:
            PreconditionFailed: the request has an If-Match for another version; it counts first (section 13.2.2).
        """
        if self.if_match is not None and not self.if_match.has(etag_of(version)):
            raise PreconditionFailed
        return self._knows(version)

    def _knows(self, version: int) -> bool:
        return self.if_none_match is not None and self.if_none_match.has_weakly(etag_of(version))
