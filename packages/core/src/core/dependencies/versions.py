"""Versions of what is read and written: entity tags on answers, and requests that depend on them (RFC 9110, 13)."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core.errors import PreconditionFailed, PreconditionRequired
from core.web.etags import EntityTags, Preconditions, etag_of
from core.web.openapi import documented

# Whoever keeps an answer keeps it for this caller alone, and asks with its tag whether it still holds: each time, or
# when it has become too old.
_CHECKED_EACH_TIME = "private, no-cache"


def _preconditions(request: Request) -> Preconditions:
    return Preconditions(_tags(request, "if-match"), _tags(request, "if-none-match"))


def _tags(request: Request, name: str) -> EntityTags | None:
    lines = request.headers.getlist(name)
    return EntityTags.parse(",".join(lines)) if lines else None


@documented(PreconditionFailed, PreconditionRequired, required=["If-Match"])
async def _if_match(
    request: Request,
    if_match: Annotated[  # noqa: ARG001 - for the document: a header may have several lines, of which this is the first
        str | None, Header(description="The ETag of the version that the caller has seen, or *.", examples=['"v1"'])
    ] = None,
) -> Preconditions:
    return _preconditions(request)


# What a write is conditional on: `check` it against the version that its transaction has locked.
IfMatch = Annotated[Preconditions, Depends(_if_match)]


@dataclass(frozen=True, slots=True)
class VersionTag:
    """The ETag of an answer, to be `set` from the version that is answered."""

    response: Response

    def set(self, version: int) -> None:
        """Puts the tag on the answer."""
        self.response.headers["ETag"] = etag_of(version)


@documented(headers=["ETag"])
async def _version_tag(response: Response) -> VersionTag:
    return VersionTag(response)


ETag = Annotated[VersionTag, Depends(_version_tag)]


@dataclass(frozen=True, slots=True)
class ConditionalRead:
    """The ETag of a read, which need not be answered to who has it."""

    response: Response
    preconditions: Preconditions

    def check(self, version: int, *, max_age_s: int = 0) -> None:
        """Puts the tag on the answer; ends the request where its caller has this version, with 304 and no body.

        For `max_age_s` the caller may use the answer without asking again: so long, they may not see a change.

        Raises:
            PreconditionFailed: the caller asked for another version alone.
        """
        kept = f"private, max-age={max_age_s}" if max_age_s else _CHECKED_EACH_TIME
        headers = {"ETag": etag_of(version), "Cache-Control": kept}
        if self.preconditions.is_known(version):
            raise HTTPException(HTTPStatus.NOT_MODIFIED, headers=headers)
        self.response.headers.update(headers)


@documented(HTTPStatus.NOT_MODIFIED, headers=["Cache-Control", "ETag"])
async def _conditional_read(
    request: Request,
    response: Response,
    if_none_match: Annotated[  # noqa: ARG001 - for the document, as above
        str | None, Header(description="The ETag of what the caller has; 304 if it is still that.", examples=['"v1"'])
    ] = None,
) -> ConditionalRead:
    return ConditionalRead(response, _preconditions(request))


Conditional = Annotated[ConditionalRead, Depends(_conditional_read)]
