"""The OpenAPI document of a service: FastAPI's, with what is common to operations said once, by reference."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute

from core.errors import BadRequest, ContentTooLarge, Invalid, NotFound, UnsupportedMediaType
from core.web.body_limits import own_body_max
from core.web.openapi.components import ANY_PROBLEM, HEADERS, PROBLEM, Json, headers, response_of
from core.web.openapi.documented import Answer, Documented, documented_by

# FastAPI's own shape of a refused request, which no service answers.
_REPLACED_SCHEMAS = ("HTTPValidationError", "ValidationError")
_REPLACED_RESPONSE = "422"
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_OF_DEPRECATED = ("Deprecation", "Link", "Sunset")
_REFUSALS_OF_A_BODY = (BadRequest, ContentTooLarge, UnsupportedMediaType, Invalid)


def openapi_of(app: FastAPI) -> Json:
    """The OpenAPI document of a service, as it is committed and served."""
    if app.openapi_schema is None:
        routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
        app.openapi_schema = completed(FastAPI.openapi(app), routes)
    return app.openapi_schema


def rendered(document: Json) -> str:
    """The document as it is committed: keys in the order of the code, two spaces, a newline at the end."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def completed(document: Json, routes: Iterable[APIRoute]) -> Json:
    """FastAPI's document of these routes with problems, headers, scopes and shared parameters."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _REPLACED_SCHEMAS:
        schemas.pop(name, None)
    for name, schema in schemas.items():
        _tidy_schema(schema, name)
    schemas["Problem"] = PROBLEM
    components |= {"responses": {"Problem": ANY_PROBLEM}, "parameters": {}}
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            facts = documented_by(route.dependant)
            for position, parameter in enumerate(parameters := operation.get("parameters", [])):
                parameters[position] = _shared(_tidy(parameter, facts.required), components["parameters"])
            operation["responses"] = _responses(operation["responses"], route, facts, components["responses"])
            operation["security"] = [
                {scheme: sorted({*scopes, *facts.scopes}) for scheme, scopes in each.items()}
                for each in operation.get("security", ())
            ]
    said = orjson.dumps(document).decode()
    components["headers"] = {name: each for name, each in HEADERS.items() if f'"#/components/headers/{name}"' in said}
    document["components"] = {
        section: dict(sorted(each.items())) for section, each in sorted(components.items()) if each
    }
    return document


def _responses(found: Json, route: APIRoute, facts: Documented, components: Json) -> Json:
    """The responses of an operation: its own with their headers, then what else is known, then any other problem."""
    own = {status: each for status, each in found.items() if status != _REPLACED_RESPONSE}
    for response in own.values():
        response["headers"] = headers((*facts.headers, *(_OF_DEPRECATED if route.deprecated else ())))
    others = {}
    for answer in (*_refusals(route), *facts.answers):
        status, name, component = response_of(answer)
        components[name] = component
        others[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return own | dict(sorted(others.items())) | {"default": {"$ref": "#/components/responses/Problem"}}


def _refusals(route: APIRoute) -> Iterator[Answer]:
    """What the shape of a request alone can be refused with."""
    if route.body_field is not None:
        yield from _REFUSALS_OF_A_BODY
    elif own_body_max(route) is not None:
        yield ContentTooLarge
    if "{" in route.path_format:
        yield NotFound
    if any(each.query_params for each in _dependants(route.dependant)):
        yield Invalid


def _dependants(dependant: Any) -> Iterator[Any]:
    yield dependant
    for each in dependant.dependencies:
        yield from _dependants(each)


def _tidy(parameter: Json, required: Collection[str]) -> Json:
    """A parameter without what is said twice, and without null, which no URL and no header can carry."""
    variants = [each for each in parameter["schema"].pop("anyOf", ()) if each != {"type": "null"}]
    schema = {key: value for key, value in parameter["schema"].items() if key not in {"title", "description"}}
    schema = ((variants[0] | schema) if len(variants) == 1 else ({"anyOf": variants} | schema)) if variants else schema
    name = parameter["name"].title() if parameter["in"] == "header" else parameter["name"]
    said = parameter | {"name": name, "required": parameter["required"] or name in required, "schema": schema}
    return {key: value for key, value in said.items() if value}


def _shared(parameter: Json, components: Json) -> Json:
    """A reference to the parameter among the components; one of the same name that says something else is numbered."""
    # The name of a component has no brackets (OpenAPI 3.1, section 4.8.7): `created_at[gte]` is `created_at.gte`.
    plain, number = re.sub(r"[^\w-]+", ".", parameter["name"]).strip("."), 1
    name = plain
    while components.setdefault(name, parameter) != parameter:
        number += 1
        name = f"{plain}.{number}"
    return {"$ref": f"#/components/parameters/{name}"}


def _tidy_schema(schema: Any, name: str) -> None:
    """Takes out the titles that pydantic makes of names, and the `.0` that FastAPI makes of whole bounds."""
    if not isinstance(schema, dict):
        return
    if schema.get("title") in {name, name.replace("_", " ").title()}:
        del schema["title"]
    for bound in _BOUNDS & schema.keys():
        schema[bound] = int(schema[bound]) if float(schema[bound]).is_integer() else schema[bound]
    inner = schema.get("properties", {}) | schema.get("patternProperties", {})
    for key, each in inner.items():
        _tidy_schema(each, key)
    for each in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        _tidy_schema(each, name)
