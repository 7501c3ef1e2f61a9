"""The pages that the `type` of a problem document points at: what each code means."""

from collections.abc import Iterator
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from core.errors import DomainError, NotFound
from core.web.problems.documents import Problems
from core.web.problems.statuses import status_of
from core.web.routes import PlainRoute


def problem_kinds(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    """Every named refusal that this process knows."""
    for kind in root.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from problem_kinds(kind)


def problem_pages(problems: Problems) -> list[PlainRoute]:
    """`/problems/<code>`."""

    async def page(request: Request) -> Response:
        code = request.path_params["code"]
        kind = next((kind for kind in problem_kinds() if kind.code == code), None)
        if kind is None:
            return problems.answer(NotFound(), request.scope)
        meaning = escape(" ".join((kind.__doc__ or "").split()))
        return HTMLResponse(
            f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{kind.code}</title></head>"
            f"<body><h1>{status_of(kind).value} <code>{kind.code}</code></h1><p>{meaning}</p></body></html>"
        )

    return [PlainRoute("/problems/{code}", page, include_in_schema=False)]
