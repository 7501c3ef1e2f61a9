"""One OpenAPI document of all services: paths below each service's name, names that cannot collide."""

from collections.abc import Mapping
from typing import Any

_REFERENCE = "#/components/"


def merge(documents: Mapping[str, dict[str, Any]], *, title: str, version: str) -> dict[str, Any]:
    """The document of `documents`, by service name: `/v1/plans` of billing becomes `/billing/v1/plans`."""
    merged: dict[str, Any] = {
        "openapi": next(iter(documents.values()), {}).get("openapi", "3.1.0"),
        "info": {"title": title, "version": version},
        "paths": {},
        "components": {},
        "tags": [],
    }
    for service, document in documents.items():
        renamed = _renamed(document, service)
        for path, operations in renamed["paths"].items():
            merged["paths"][f"/{service}{path}"] = operations
        for section, components in renamed.get("components", {}).items():
            merged["components"].setdefault(section, {}).update(
                {_component(section, service, name): component for name, component in components.items()}
            )
    return merged


# The way to sign in is the same in every service: asked for once.
_SHARED_SECTIONS = ("securitySchemes",)


def _component(section: str, service: str, name: str) -> str:
    return name if section in _SHARED_SECTIONS else f"{service}.{name}"


def _renamed(node: Any, service: str) -> Any:
    """A copy in which references, operation ids and tags carry the service's name."""
    if isinstance(node, list):
        return [_renamed(item, service) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _renamed_member(key, value, service) for key, value in node.items()}


def _renamed_member(key: str, value: Any, service: str) -> Any:
    if key == "$ref" and isinstance(value, str) and value.startswith(_REFERENCE):
        section, _, name = value.removeprefix(_REFERENCE).partition("/")
        return f"{_REFERENCE}{section}/{_component(section, service, name)}"
    if key == "operationId":
        return f"{service}_{value}"
    if key == "tags" and all(isinstance(tag, str) for tag in value):
        return [f"{service}: {tag}" for tag in value]
    return _renamed(value, service)
