"""Turns every failure into one shape, a problem document (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from core import errors
from core.errors import DomainError
from core.telemetry.exchange import EXCHANGE
from core.web.problems.refusals import from_http, from_validation
from core.web.problems.statuses import status_of

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problems:
    """The problem documents of one service; their types are pages below its public URL."""

    public_url: str

    def answer(
        self,
        error: DomainError,
        scope: Scope,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> Response:
        """The response that tells of `error`; `members` are its extension members (RFC 9457, section 3.2)."""
        status = status_of(type(error))
        exchange = scope.get(EXCHANGE)
        document: dict[str, Any] = {
            "type": f"{self.public_url}/problems/{error.code}",
            "title": error.title(),
            "status": status,
            "detail": error.detail,
            "code": error.code,
        }
        if exchange is not None:
            document["instance"] = f"urn:request:{exchange.request_id}"
            document["request_id"] = exchange.request_id
            if exchange.trace:
                document["trace_id"] = exchange.trace["trace_id"]
        if isinstance(error, errors.Invalid) and error.errors:
            document["errors"] = [
                {"pointer": each.pointer, "code": each.code, "detail": each.detail} for each in error.errors
            ]
        return Response(
            _as_json(document | dict(members or {})),
            status_code=status,
            media_type=MEDIA_TYPE,
            headers=_headers_of(error) | {name.lower(): value for name, value in (headers or {}).items()},
        )

    def of(self, error: BaseException | None, scope: Scope) -> Response | None:
        """The response that tells of a refusal, whoever raised it; None when `error` is none."""
        if isinstance(error, DomainError):
            return self.answer(error, scope)
        if isinstance(error, HTTPException):
            if HTTPStatus.OK <= error.status_code < HTTPStatus.BAD_REQUEST:
                # No refusal: FastAPI's way to say 304 or 303 from a dependency.
                return Response(status_code=error.status_code, headers=error.headers)
            return self.answer(from_http(error), scope, headers=error.headers)
        return None

    def install(self, app: FastAPI) -> None:
        """Makes `app` answer every exception that reaches its handlers with a problem document."""

        async def on_refusal(request: Request, error: Exception) -> Response:
            response = self.of(error, request.scope)
            assert response is not None  # noqa: S101 - installed for what `of` knows
            return response

        async def on_invalid_request(request: Request, error: Exception) -> Response:
            assert isinstance(error, RequestValidationError)  # noqa: S101 - what add_exception_handler's types don't say
            return self.answer(from_validation(error.errors(), request.headers.get("content-type")), request.scope)

        for kind in (DomainError, HTTPException):
            app.add_exception_handler(kind, on_refusal)
        app.add_exception_handler(RequestValidationError, on_invalid_request)


def _as_json(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        # A lone surrogate, out of a body that nobody validated: JSON can escape it, UTF-8 cannot hold it.
        return json.dumps(document).encode()


def _headers_of(error: DomainError) -> dict[str, str]:
    if (challenge := _challenge(error)) is not None:
        return {"www-authenticate": challenge}
    if isinstance(error, errors.UnsupportedMediaType) and error.accept_patch:
        return {"accept-patch": error.accept_patch}
    retry_after_s = getattr(error, "retry_after_s", None)
    return {} if retry_after_s is None else {"retry-after": str(retry_after_s)}


def _challenge(error: DomainError) -> str | None:
    """What the caller is asked for (RFC 6750, section 3): an error only where a token was shown."""
    if isinstance(error, errors.InvalidToken):
        return 'Bearer error="invalid_token"'
    if isinstance(error, errors.Unauthenticated):
        return "Bearer"
    if not isinstance(error, errors.InsufficientScope):
        return None
    scope = "" if error.scope is None else f', scope="{error.scope}"'
    return f'Bearer error="insufficient_scope"{scope}'
