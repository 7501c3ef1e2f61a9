"""Turns every failure into one shape: a problem document (RFC 9457). No other module decides a status."""

from collections.abc import Mapping, Sequence
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
from core.errors import DomainError, FieldError
from core.telemetry.exchange import EXCHANGE

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[DomainError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.PaymentFailed: HTTPStatus.PAYMENT_REQUIRED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.ContentTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
}
_KIND = {status: kind for kind, status in STATUS.items()}


def status_of(kind: type[DomainError]) -> HTTPStatus:
    """The status of an error's kind: the nearest ancestor in the table."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


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
        if isinstance(error, errors.Invalid) and error.errors:
            document["errors"] = [
                {"pointer": each.pointer, "code": each.code, "detail": each.detail} for each in error.errors
            ]
        return Response(
            orjson.dumps(document | dict(members or {})),
            status_code=status,
            media_type=MEDIA_TYPE,
            headers=_headers_of(error) | dict(headers or {}),
        )

    def install(self, app: FastAPI) -> None:
        """Makes `app` answer every exception that reaches its handlers with a problem document."""

        async def on_refusal(request: Request, error: Exception) -> Response:
            assert isinstance(error, DomainError)  # noqa: S101 - what add_exception_handler promises and its types don't say
            return self.answer(error, request.scope)

        async def on_http_exception(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)  # noqa: S101 - as above
            return self.answer(from_http(error), request.scope, headers=error.headers)

        async def on_invalid_request(request: Request, error: Exception) -> Response:
            assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
            return self.answer(from_validation(error.errors(), request.headers.get("content-type")), request.scope)

        async def on_unexpected(request: Request, _error: Exception) -> Response:
            # From a layer outside CatchAll; Starlette raises it again for Guard, which logs it.
            return self.answer(errors.InternalError(), request.scope)

        app.add_exception_handler(DomainError, on_refusal)
        app.add_exception_handler(Exception, on_unexpected)
        app.add_exception_handler(HTTPException, on_http_exception)
        app.add_exception_handler(RequestValidationError, on_invalid_request)


def _headers_of(error: DomainError) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        # RFC 6750, section 3.
        return {"WWW-Authenticate": "Bearer"}
    retry_after_s = getattr(error, "retry_after_s", None)
    return {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def from_http(error: HTTPException) -> DomainError:
    """The refusal that says what Starlette or FastAPI said by a status; its text is theirs and stays inside."""
    kind = _KIND.get(HTTPStatus(error.status_code))
    if kind is not None:
        return kind()
    return errors.BadRequest() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else errors.InternalError()


class MalformedJson(errors.BadRequest):
    """The request body is not valid JSON."""

    code = "malformed_json"


def from_validation(found: Sequence[Mapping[str, Any]], content_type: str | None) -> DomainError:
    """The refusal of a request whose parts do not have the declared shapes."""
    if any(each["type"] == "json_invalid" for each in found):
        return MalformedJson()
    if any(each["loc"][0] == "path" for each in found):
        # What is no id is the id of nothing.
        return errors.NotFound()
    if any(each["loc"] == ("body",) and each["type"] != "missing" for each in found) and not _is_json(content_type):
        return errors.UnsupportedMediaType("Send application/json.")
    return errors.Invalid(
        "See errors for what is not accepted.",
        tuple(FieldError(_pointer(each["loc"]), each["type"], each["msg"]) for each in found),
    )


def _is_json(content_type: str | None) -> bool:
    subtype = (content_type or "").partition(";")[0].strip().lower().partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer into the body (RFC 6901); a parameter is pointed at by where it stands: `#/query/limit`."""
    parts = location[1:] if location[0] == "body" else location
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)
