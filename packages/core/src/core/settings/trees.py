"""Settings as plain nested dicts, before they are validated."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from core.settings.fields import default_of, group_of

Values = dict[str, Any]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """`above` laid over `below`, group by group."""
    both = dict(below)
    for name, value in above.items():
        under = both.get(name)
        both[name] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return both


def plain(value: Any) -> Any:
    """`value` with mappings and groups, at any depth, as dicts of what was set in them."""
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    return value


def section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The group of this name as far as it is given; nothing where something else stands in its place."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def groups_of(model: type[BaseModel]) -> Values:
    """Every group with the defaults of its class, so that pydantic names the member that is missing, not the group."""
    groups = {}
    for name, field in model.model_fields.items():
        group, default = group_of(field.annotation), default_of(field)
        if group and (default is not None or field.is_required()):
            groups[name] = merged(groups_of(group), plain(default) or {})
    return groups
