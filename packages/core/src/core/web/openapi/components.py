"""What the OpenAPI documents of all services say in the same words: the problem, its responses, the headers."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from core.web.openapi.documented import Answer
from core.web.problems import MEDIA_TYPE, STATUS

Json = dict[str, Any]

PROBLEM: Json = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "A page that explains the code."},
        "title": {"type": "string", "description": "Constant for a code."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened this time."},
        "code": {"type": "string", "description": "Stable; what a client decides on."},
        "instance": {"type": "string", "format": "uri"},
        "request_id": {"type": "string"},
        "trace_id": {"type": "string", "description": "There when the request was traced."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
            },
        },
    },
}

_SECONDS = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}


def _header(description: str, schema: Json = _TEXT, *, required: bool = False) -> Json:
    return {"description": description} | ({"required": True} if required else {}) | {"schema": schema}


HEADERS: dict[str, Json] = {
    "Accept-Patch": _header("What a PATCH is read as, where it was one (RFC 5789, section 3.1)."),
    "Cache-Control": _header("Who may keep the answer, and how long (RFC 9111)."),
    "Deprecation": _header("Since when not to begin using this (RFC 9745)."),
    "ETag": _header("The version that is answered (RFC 9110, section 8.8.3).", required=True),
    "Idempotent-Replayed": _header("There when the answer is the one that an earlier request got."),
    "Link": _header("What comes after this one (RFC 8288)."),
    "Location": _header("Where what was made is (RFC 9110, section 10.2.2)."),
    "RateLimit": _header("What is left of the quota."),
    "RateLimit-Policy": _header("The quotas that there are."),
    "Retry-After": _header("Seconds after which to try again (RFC 9110, section 10.2.3).", _SECONDS),
    "Sunset": _header("When this will no longer be there (RFC 8594)."),
    "WWW-Authenticate": _header("What to call with, and what was wrong (RFC 6750, section 3).", required=True),
    # The same header where it need not be: what stands behind a dot tells components apart.
    "WWW-Authenticate.scope": _header("The scope that the access token lacks, if that is it (RFC 6750, section 3.1)."),
    "X-Request-ID": _header("Names this request in logs and to support.", required=True),
}
EVERY_RESPONSE = "X-Request-ID"
_OF_STATUS: dict[int, tuple[str, ...]] = {
    HTTPStatus.NOT_MODIFIED: ("Cache-Control", "ETag"),
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.FORBIDDEN: ("WWW-Authenticate.scope",),
    # While another request with the same Idempotency-Key is at work.
    HTTPStatus.CONFLICT: ("Retry-After",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("Accept-Patch",),
    HTTPStatus.TOO_MANY_REQUESTS: ("RateLimit", "RateLimit-Policy", "Retry-After"),
}


def headers(names: Iterable[str]) -> Json:
    """References to rows of `HEADERS`."""
    rows = sorted({EVERY_RESPONSE, *names})
    return {row.partition(".")[0]: {"$ref": f"#/components/headers/{row}"} for row in rows}


def response_of(answer: Answer) -> tuple[int, str, Json]:
    """The status of an answer, the name of its component, and the component."""
    if isinstance(answer, HTTPStatus):
        body = {"description": f"{answer.phrase}.", "headers": headers(_OF_STATUS.get(answer, ()))}
        return answer, answer.phrase.replace(" ", ""), body
    kind = next(kind for kind in answer.__mro__ if kind in STATUS)
    return STATUS[kind], kind.__name__, _problem(kind.title(), _OF_STATUS.get(STATUS[kind], ()))


def _problem(description: str, names: Iterable[str]) -> Json:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": f"{description}.", "headers": headers(names), "content": content}


# Of whatever else refuses: 408, 500, 503, 504.
ANY_PROBLEM = _problem("The request was refused", ("Retry-After",))
