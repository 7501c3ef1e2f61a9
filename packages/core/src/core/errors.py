"""Refusals as the business names them; which HTTP status each kind has is decided in core.web.problems alone."""

import re
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused part of a request: a JSON pointer as a URI fragment (RFC 6901, section 6), a code, a sentence."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"
    # True: what the request wrote is committed before the refusal is answered.
    keeps_changes: ClassVar[bool] = False
    # False: it only says that it is too early to say, so it is not what an Idempotency-Key stands for from then on.
    is_final: ClassVar[bool] = True

    def __init__(self, detail: str | None = None) -> None:
        """`detail` speaks of this occurrence, to the caller; without it the constant title is all there is to say."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()

    @classmethod
    def title(cls) -> str:
        """The first sentence of the class's docstring: constant for a code, as RFC 9457 asks of `title`."""
        return re.split(r"\n\s*\n", cls.__doc__ or "", maxsplit=1)[0].replace("\n", " ").strip().removesuffix(".")


class BadRequest(DomainError):
    """The request is malformed."""

    code = "bad_request"


class Unauthenticated(DomainError):
    """The request needs a valid access token."""

    code = "unauthenticated"


class InvalidToken(Unauthenticated):
    """The request needs a valid access token."""

    # No code and no title of its own: to a client it is the same refusal, and its challenge says what was wrong.


class PaymentFailed(DomainError):
    """The payment was declined."""

    code = "payment_failed"


class Forbidden(DomainError):
    """The caller may not do this."""

    code = "forbidden"


class InsufficientScope(Forbidden):
    """The access token lacks the scope that this operation needs."""

    code = "insufficient_scope"

    def __init__(self, detail: str | None = None, *, scope: str | None = None) -> None:
        super().__init__(detail)
        self.scope = scope


class NotFound(DomainError):
    """There is nothing here."""

    code = "not_found"


class MethodNotAllowed(DomainError):
    """The resource does not know this method."""

    code = "method_not_allowed"


class BodyTimedOut(DomainError):
    """The request body did not arrive in time."""

    code = "body_timed_out"


class HeadTimedOut(BodyTimedOut):
    """The request head did not arrive in time."""

    code = "head_timed_out"


class Conflict(DomainError):
    """The state of the resource does not allow this."""

    code = "conflict"


class PreconditionFailed(DomainError):
    """The resource has changed since it was read."""

    code = "precondition_failed"


class ContentTooLarge(DomainError):
    """The request body is larger than this operation accepts."""

    code = "content_too_large"


class UnsupportedMediaType(DomainError):
    """The request body has a media type that this operation does not read."""

    code = "unsupported_media_type"

    def __init__(self, detail: str | None = None, *, accept_patch: str | None = None) -> None:
        """`accept_patch` is what a PATCH would be read as (RFC 5789, section 3.1)."""
        super().__init__(detail)
        self.accept_patch = accept_patch


class Invalid(DomainError):
    """The request does not have the shape that this operation needs."""

    code = "validation_failed"

    def __init__(self, detail: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class PreconditionRequired(DomainError):
    """The request must say, in If-Match, which version it changes."""

    code = "precondition_required"


class RateLimited(DomainError):
    """Too many requests."""

    code = "rate_limited"

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 60) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class HeadTooLarge(DomainError):
    """The request head is larger than this service accepts."""

    code = "head_too_large"


class InternalError(DomainError):
    """Something went wrong on our side."""

    code = "internal_error"


class Unavailable(DomainError):
    """The service cannot answer right now."""

    code = "unavailable"

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TimedOut(DomainError):
    """The request took longer than this service allows."""

    code = "timed_out"
