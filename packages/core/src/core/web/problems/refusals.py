"""What FastAPI and Starlette refuse, named as a service names its own refusals."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException

from core import errors
from core.errors import DomainError, FieldError
from core.redaction import MASK
from core.web.problems.statuses import KIND, status_of

# More say nothing more, and a body of 1 MiB can hold a hundred thousand.
ERRORS_MAX = 100
# Shorter inputs are words that a sentence may have of its own.
_QUOTED_MIN = 4
# What FastAPI says of a body that is JSON to nobody: no UTF-8, too deep, a number too long.
_UNREADABLE = "There was an error parsing the body"


class MalformedJson(errors.BadRequest):
    """The request body is not valid JSON."""

    code = "malformed_json"


def from_http(error: HTTPException) -> DomainError:
    """The refusal that says what Starlette or FastAPI said by a status; its text is theirs and stays inside."""
    cause = error.__cause__
    if isinstance(cause, DomainError) and status_of(type(cause)) == error.status_code:
        # The same, with its detail: raised where FastAPI lets only its own exception through.
        return cause
    if error.detail == _UNREADABLE:
        return MalformedJson()
    kind = KIND.get(error.status_code)
    if kind is not None:
        return kind()
    is_callers = HTTPStatus.BAD_REQUEST <= error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    return errors.BadRequest() if is_callers else errors.InternalError()


def from_validation(found: Sequence[Mapping[str, Any]], content_type: str | None) -> DomainError:
    """The refusal of a request whose parts do not have the declared shapes."""
    if any(each["type"] == "json_invalid" for each in found):
        return MalformedJson()
    if any(each["loc"][0] == "path" for each in found):
        # What is no id is the id of nothing.
        return errors.NotFound()
    if any(each["loc"] == ("body",) and each["type"] != "missing" for each in found) and not _is_json(content_type):
        return errors.UnsupportedMediaType("Send application/json.")
    refused = (FieldError(pointer(each["loc"]), each["type"], _unquoted(each)) for each in found[:ERRORS_MAX])
    # Each once: the parameters of a list are asked for, and looked at, by its filters and by its page.
    return errors.Invalid("See errors for what is not accepted.", tuple(dict.fromkeys(refused)))


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
