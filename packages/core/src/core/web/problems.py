"""Turns every failure into one shape, a problem document (RFC 9457); no other module decides a status."""

import json
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
from core.redaction import MASK
from core.telemetry.exchange import EXCHANGE

MEDIA_TYPE = "application/problem+json"
# More say nothing more, and a body of 1 MiB can hold a hundred thousand.
ERRORS_MAX = 100
# Shorter inputs are words that a sentence may have of its own.
_QUOTED_MIN = 4

STATUS: Mapping[type[DomainError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.PaymentFailed: HTTPStatus.PAYMENT_REQUIRED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.BodyTimedOut: HTTPStatus.REQUEST_TIMEOUT,
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
_KIND: Mapping[int, type[DomainError]] = {status: kind for kind, status in STATUS.items()}


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
            if error.status_code < HTTPStatus.BAD_REQUEST:
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

        async def on_unexpected(request: Request, _error: Exception) -> Response:
            # From a layer outside CatchAll; Starlette raises it again for Guard, which logs it.
            return self.answer(errors.InternalError(), request.scope)

        for kind in (DomainError, HTTPException):
            app.add_exception_handler(kind, on_refusal)
        app.add_exception_handler(RequestValidationError, on_invalid_request)
        app.add_exception_handler(Exception, on_unexpected)


def _as_json(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        # A lone surrogate, out of a body that nobody validated: JSON can escape it, UTF-8 cannot hold it.
        return json.dumps(document).encode()


def _headers_of(error: DomainError) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        # RFC 6750, section 3.
        return {"www-authenticate": "Bearer"}
    retry_after_s = getattr(error, "retry_after_s", None)
    return {} if retry_after_s is None else {"retry-after": str(retry_after_s)}


# What FastAPI says of a body that is JSON to nobody: no UTF-8, too deep, a number too long.
_UNREADABLE = "There was an error parsing the body"


def from_http(error: HTTPException) -> DomainError:
    """The refusal that says what Starlette or FastAPI said by a status; its text is theirs and stays inside."""
    if error.detail == _UNREADABLE:
        return MalformedJson()
    kind = _KIND.get(error.status_code)
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
        tuple(FieldError(pointer(each["loc"]), each["type"], _unquoted(each)) for each in found[:ERRORS_MAX]),
    )


def _is_json(content_type: str | None) -> bool:
    kind, _, subtype = (content_type or "").partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer into the body (RFC 6901); a parameter is pointed at by where it stands: `#/query/limit`."""
    parts = location[1:] if location[0] == "body" else location
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _unquoted(found: Mapping[str, Any]) -> str:
    """The sentence of pydantic, or of a validator, without what was sent, which some of them quote."""
    sentence = found["msg"]
    for given in (found.get("input"), found.get("ctx", {}).get("tag")):
        if isinstance(given, str) and len(given) >= _QUOTED_MIN:
            sentence = sentence.replace(given, MASK)
    return sentence
