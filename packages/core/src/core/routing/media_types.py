"""Operations that read a JSON media type of their own, and plain JSON, and nothing else."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from core.errors import UnsupportedMediaType
from core.routing.operation import Operation

_JSON = "application/json"


class TypedRoute(Operation):
    """An operation; by itself FastAPI reads any `+json` as what the body is declared to be: a JSON patch as another."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What serves a request: FastAPI's own handler, where any JSON is meant."""
        handle = super().get_route_handler()
        own = getattr(self.body_field and self.body_field.field_info, "media_type", _JSON)
        if not own.endswith("+json"):
            return handle
        accept_patch = own if self.methods == {"PATCH"} else None

        async def typed(request: Request) -> Response:
            if _has_body(request) and _media_type(request) not in (own, _JSON):
                raise UnsupportedMediaType(f"Send {own} or {_JSON}.", accept_patch=accept_patch)
            return await handle(request)

        return typed


def _has_body(request: Request) -> bool:
    # RFC 9112, section 6: one of the two announces it.
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
