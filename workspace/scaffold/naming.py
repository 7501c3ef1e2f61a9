"""Which names can be a service's and a slice's, judged by what the template makes of them."""

import re
from collections.abc import Collection
from pathlib import Path

import inflection

from core.services import CHASSIS_TABLES
from workspace.scaffold.identifiers import collisions, is_reserved
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import TESTS_OF_SLICE, Names, modules, parts_of_service

# The template's lines, and what PostgreSQL and core derive from a name, stay within their limits up to this length.
CHARACTERS_MAX = 25
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PREFIX_CHARACTERS_MIN = 3


def named(service: str, slice_name: str, singular: str | None, *, used: Collection[str] = ()) -> Names:
    """The names of a service with one slice; `used` has the texts that cannot be the prefix of its ids.

    Raises:
        Refused: one of them does not do.
    """
    check_form(slice_name, "slice")
    if singular is None:
        singular = inflection.singularize(slice_name)
    if singular == slice_name:
        raise Refused(
            f"{slice_name!r} is no plural that is known here: name the slice by the plural of its resource, "
            "or say with --singular what one of it is called."
        )
    check_form(singular, "resource")
    names = Names(service, slice_name, singular, _prefix(singular, slice_name, used))
    _check_slice(names)
    return names


def check_form(name: str, what: str) -> None:
    """A name is written like one of Python's, and means nothing in Python.

    Raises:
        Refused: it does not.
    """
    if not NAME.fullmatch(name) or len(name) > CHARACTERS_MAX:
        raise Refused(
            f"{name!r} cannot be the name of a {what}, which has lower-case letters, digits and single underscores, "
            f"begins with a letter, and has at most {CHARACTERS_MAX} characters."
        )
    if is_reserved(name):
        raise Refused(f"{name!r} cannot be the name of a {what}: it means something in Python.")


def _check_slice(names: Names) -> None:
    if names.slice in modules() or _has_test(names.slice):
        raise Refused(f"{names.slice!r} cannot be the name of a slice: every service has a module or test named so.")
    if names.slice in {table for metadata in CHASSIS_TABLES for table in metadata.tables}:
        raise Refused(f"{names.slice!r} cannot be the name of a slice: core keeps a table of that name everywhere.")
    if found := collisions(names):
        raise Refused(
            f"{names.slice!r} cannot be the name of a slice, with {names.singular!r} for one of it: "
            f"{min(found)!r} would mean two things in its code."
        )


def _has_test(slice_name: str) -> bool:
    return Path("tests", f"test_{slice_name}.py") in set(parts_of_service()) - {*TESTS_OF_SLICE}


def _prefix(singular: str, slice_name: str, used: Collection[str]) -> str:
    """What ids begin with: three letters of the singular, or as many more as make it free in the service."""
    # Digits and underscores may not stand everywhere in a prefix (TypeID 0.3).
    letters, more = (re.sub(r"[^a-z]", "", name) for name in (singular, slice_name))
    for candidate in (*(letters[:end] for end in range(PREFIX_CHARACTERS_MIN, len(letters) + 1)), letters, more):
        if candidate not in used:
            return candidate
    raise Refused(f"{slice_name!r} cannot be the name of a slice: no prefix of {letters!r} is free for its ids.")
