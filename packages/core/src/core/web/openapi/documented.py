"""How a dependency or a handler tells the OpenAPI document what it adds to the operations that use it.

    @documented(RateLimited, headers=["RateLimit"])
    async def _limited(...) -> None: ...

Every operation that depends on `_limited`, however deeply, then documents a 429 and the header, both by reference: a
kind of refusal is one response among the components, and a header is a row of `HEADERS` in core.web.openapi.components.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.dependencies.models import Dependant

from core.errors import DomainError
from core.marks import Function, Mark

# A refusal is documented by the status of its kind; a status stands for a response without a body: 304.
Answer = type[DomainError] | HTTPStatus


@dataclass(frozen=True, slots=True)
class Documented:
    """What an operation answers besides its result, and asks for besides what FastAPI sees."""

    answers: tuple[Answer, ...] = ()
    headers: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


_DOCUMENTED: Mark[Documented] = Mark("documented")


def documented(
    *answers: Answer, headers: Sequence[str] = (), scopes: Sequence[str] = (), required: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Marks a dependency, or a handler below its route decorator.

    Args:
        answers: kinds of refusal, and statuses that have no body.
        headers: of the successful response, as rows of `HEADERS` in core.web.openapi.components.
        scopes: that the access token must have.
        required: request headers that FastAPI may find missing, because the dependency itself refuses without them.
    """
    return _DOCUMENTED.put(Documented(answers, tuple(headers), tuple(scopes), tuple(required)))


def documented_by(dependant: Dependant) -> Documented:
    """What an operation and everything that it depends on have said."""
    marks = list(_marks(dependant))
    return Documented(
        tuple(answer for mark in marks for answer in mark.answers),
        tuple(header for mark in marks for header in mark.headers),
        tuple(scope for mark in marks for scope in mark.scopes),
        tuple(header for mark in marks for header in mark.required),
    )


def _marks(dependant: Dependant) -> Iterator[Documented]:
    if (mark := _DOCUMENTED.of(dependant.call)) is not None:
        yield mark
    for each in dependant.dependencies:
        yield from _marks(each)
