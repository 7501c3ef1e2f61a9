"""What endpoints and dependencies must be: async, of the right scope, and never by accident the caller's to fill in."""

import functools
import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, ForwardRef, get_args

from fastapi.dependencies.models import Dependant
from fastapi.params import Depends

from core.marks import Function, Mark

_SCOPE: Mark[str] = Mark("dependency_scope")


def function_scoped(provider: Function) -> Function:
    """Mark a generator that must end before the answer leaves: a boot without `Depends(..., scope="function")` fails.

    FastAPI's own default ends it after the response, when a failed commit can no longer be told to anyone.
    """
    return _SCOPE.put("function")(provider)


def provider_problems(dependant: Dependant) -> Iterator[str]:
    """What is wrong with an endpoint, or with anything it depends on."""
    call = _called(dependant)
    if not _is_async(call):
        yield f"{_name(call)} is not async: it would run in a thread, at ten times the cost"
    scope = _SCOPE.of(call)
    if scope not in {None, dependant.scope}:
        yield f'{_name(call)} is used without scope="{scope}"'
    yield from _accidental_parameters(dependant)
    for needed in dependant.dependencies:
        yield from provider_problems(needed)


def _accidental_parameters(dependant: Dependant) -> Iterator[str]:
    """Parameters that FastAPI takes from the request although their annotation meant something else."""
    read = (dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params)
    for field in (field for fields in (*read, dependant.body_params) for field in fields):
        parts = [*_parts(field.field_info.annotation), *field.field_info.metadata]
        owner = f"{_name(_called(dependant))}, parameter {field.name}"
        if any(isinstance(part, ForwardRef) for part in parts):
            # An alias made inside a function, annotated as a string: FastAPI cannot look it up and asks the caller.
            yield f"{owner}: its annotation was never resolved, so the caller would fill it in"
        if any(isinstance(part, Depends) or inspect.isroutine(part) for part in parts):
            # Annotated[X, Depends(f)] | None, or Annotated[X, f]
            yield f"{owner}: its dependency is not used, so the caller would fill it in"
    for field in dependant.body_params:
        # A schema is a pydantic model; a dataclass is a collaborator or a principal that lost its Depends.
        if any(inspect.isclass(part) and is_dataclass(part) for part in _parts(field.field_info.annotation)):
            yield f"{_name(_called(dependant))}, parameter {field.name}: a dataclass would be read from the body"


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _called(dependant: Dependant) -> Any:
    call = dependant.call
    while isinstance(call, functools.partial):
        call = call.func
    return call


def _is_async(call: Any) -> bool:
    candidates = [call, inspect.unwrap(call)]
    if not inspect.isroutine(call) and not inspect.isclass(call):
        candidates.append(type(call).__call__)
    return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in candidates)


def _name(call: Any) -> str:
    named = call if hasattr(call, "__qualname__") else type(call)
    return f"{named.__module__}.{named.__qualname__}"
