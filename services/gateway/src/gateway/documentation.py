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
        for path, operations in document["paths"].items():
            merged["paths"][f"/{service}{path}"] = {
                method: _operation(operation, service) for method, operation in operations.items()
            }
        for section, components in document.get("components", {}).items():
            merged["components"].setdefault(section, {}).update(
                {_component(section, service, name): _pointed(each, service) for name, each in components.items()}
            )
    return merged


# The way to sign in, and what a header says, are core's and the same in every service: once is enough.
_SHARED_SECTIONS = ("headers", "securitySchemes")


def _component(section: str, service: str, name: str) -> str:
    return name if section in _SHARED_SECTIONS else f"{service}.{name}"


def _operation(operation: dict[str, Any], service: str) -> dict[str, Any]:
    """An operation whose id and tags carry the service's name."""
    return _pointed(operation, service) | {
        "operationId": f"{service}_{operation['operationId']}",
        "tags": [f"{service}: {tag}" for tag in operation.get("tags", ())],
    }


def _pointed(node: Any, service: str) -> Any:
    """A copy whose references, a discriminator's mapping included, point at the components of this service."""
    if isinstance(node, dict):
        return {key: _pointed(value, service) for key, value in node.items()}
    if isinstance(node, list):
        return [_pointed(item, service) for item in node]
    if isinstance(node, str) and node.startswith(_REFERENCE):
        section, _, name = node.removeprefix(_REFERENCE).partition("/")
        return f"{_REFERENCE}{section}/{_component(section, service, name)}"
    return node
