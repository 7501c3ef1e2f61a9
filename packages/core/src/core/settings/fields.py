"""What a settings class says of its fields, read into the table of variables."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from core.redaction import is_secret_name
from core.settings.types import Accepts
from core.settings.variables import ANY, Location, Table, Variable, as_text

_SECRETS = (Secret, SecretStr, SecretBytes)
_LISTS = (tuple, list, set, frozenset)
_WORDS: dict[object, str] = {bool: "true or false", int: "an integer", float: "a number", str: "text", Path: "a path"}
# The attributes of the marks that `Field(gt=…, pattern=…)` leaves in a field's metadata.
_BOUNDS = {
    "gt": "more than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "matching {}",
}


def table_of(settings: type[BaseSettings]) -> Table:
    """The table of a settings class, in the order in which its fields are written."""
    prefix = settings.model_config.get("env_prefix", "")
    return Table(prefix, tuple(_variables(settings, None, (), prefix)))


def group_of(annotation: object) -> type[BaseModel] | None:
    """The group that a field of this type holds, if it holds one."""
    bare, _ = _unfold(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def default_of(field: FieldInfo) -> object:
    """What the field holds when nothing is given; None, too, for a field that has to be given."""
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _variables(model: type[BaseModel], defaults: BaseModel | None, path: Location, prefix: str) -> Iterator[Variable]:
    for key, field in model.model_fields.items():
        default = getattr(defaults, key) if defaults else default_of(field)
        required = field.is_required() and defaults is None
        yield from _at(field, default, (*path, key), prefix, required=required)


def _at(field: FieldInfo, default: object, path: Location, prefix: str, *, required: bool) -> Iterator[Variable]:
    bare, metadata = _unfold(field.annotation, field.metadata)
    if group := group_of(bare):
        yield from _variables(group, default if isinstance(default, BaseModel) else None, path, prefix)
        return
    if get_origin(bare) in {dict, Mapping}:
        member = FieldInfo.from_annotation(get_args(bare)[1])
        member.description = field.description
        yield from _at(member, None, (*path, ANY), prefix, required=required)
        return
    accepts = _accepts(bare, metadata)
    variable = Variable(
        name=prefix + "__".join(path).upper(),
        path=path,
        description=field.description or "",
        accepts=accepts.what,
        how=accepts.how,
        required=required,
        secret=_is_secret(bare) or (bare is str and is_secret_name(path[-1]) and not accepts.is_public),
        many=get_origin(bare) in _LISTS,
        default=None,
    )
    yield variable if default is None else replace(variable, default=variable.show(default))


def _unfold(annotation: object, metadata: list[Any] | None = None) -> tuple[Any, list[Any]]:
    """The type itself and what its annotations say, out of `Annotated[…]` and `… | None`."""
    metadata = list(metadata or ())
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        return _unfold(inner, [*said, *metadata])
    if get_origin(annotation) in {Union, UnionType}:
        given = [member for member in get_args(annotation) if member is not NoneType]
        return _unfold(given[0], metadata) if len(given) == 1 else (annotation, metadata)
    return annotation, metadata


def _is_secret(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, _SECRETS):
        return True
    return get_origin(annotation) in _SECRETS or any(map(_is_secret, get_args(annotation)))


def _accepts(bare: object, metadata: list[Any]) -> Accepts:
    said = next((mark for mark in metadata if isinstance(mark, Accepts)), None)
    if said is not None:
        return said
    if get_origin(bare) is Literal:
        return Accepts("one of " + ", ".join(map(as_text, get_args(bare))))
    if get_origin(bare) in _LISTS:
        item, marks = _unfold(get_args(bare)[0])
        return Accepts("comma-separated: " + _accepts(item, marks).what)
    words = "a secret" if _is_secret(bare) else _WORDS.get(bare) or _spaced(getattr(bare, "__name__", str(bare)))
    return Accepts(", ".join([words, *_bounds(metadata)]))


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for mark in metadata:
        for attribute, words in _BOUNDS.items():
            if (bound := getattr(mark, attribute, None)) is not None:
                yield words.format(as_text(bound))


def _spaced(name: str) -> str:
    return "a value of type " + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
