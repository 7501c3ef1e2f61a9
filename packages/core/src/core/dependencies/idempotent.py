"""Makes an operation take effect once for an Idempotency-Key, however often it is sent."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from core.database import DatabaseUnavailable
from core.database.engine import ended
from core.database.settled import settled
from core.dependencies.database import Session
from core.dependencies.identity import Caller
from core.dependencies.resources import ResourcesDep
from core.errors import BadRequest, DomainError, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable
from core.idempotency import Answer, Claims, Ticket
from core.web.problems import status_of

P = ParamSpec("P")
T = TypeVar("T")

KEY_CHARACTERS_MAX = 255
# Refusals that say nothing about the work: the same request may succeed a moment later.
_NOT_STORED = (Unauthenticated, Forbidden, RateLimited, Unavailable)
_SERVER_ERROR = 500


class IdempotencyKeyRequired(BadRequest):
    """This operation needs an Idempotency-Key header of 1 to 255 characters."""

    code = "idempotency_key_required"


@dataclass(frozen=True, slots=True)
class Once:
    """One keyed request, and the transaction that decides its answer."""

    request: Request
    session: AsyncSession
    claims: Claims
    scope: str
    key: str | None

    async def ticket(self) -> Ticket:
        """The claim that this request makes.

        Raises:
            IdempotencyKeyRequired: the header lacks, or is too long.
        """
        key = (self.key or "").strip()
        # Bare, or a string of RFC 9651.
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        if not 0 < len(key) <= KEY_CHARACTERS_MAX:
            raise IdempotencyKeyRequired
        return Ticket(scope=self.scope, key=key, fingerprint=await _fingerprint(self.request))

    async def answer(self, work: Callable[[], Awaitable[T]], adapter: TypeAdapter[T]) -> Response:
        """Does the work under a claim and stores its answer, or gives the answer that was stored.

        Raises:
            IdempotencyKeyRequired, IdempotencyKeyReused, IdempotencyInFlight, and whatever the work raises.
        """
        claim = await self.claims.claim(await self.ticket())
        if isinstance(claim, Answer):
            return _response(claim, headers={"Idempotent-Replayed": "true"})
        try:
            answer, refusal = await self._decided(work, adapter)
            await self.claims.complete(self.session, claim, answer)
            # Here, not when the handler has returned: a commit that fails must give the claim back, too.
            await settled(self.session.commit())
        except BaseException as failure:
            # First what was written: the next attempt must not wait for its locks.
            await ended(self.session, failure)
            # Where the database is away, the lease will run out. What the commit has stored after all stays stored.
            with suppress(DatabaseUnavailable):
                await self.claims.release(claim)
            raise
        if refusal is not None:
            raise refusal
        return _response(answer)

    async def _decided(
        self, work: Callable[[], Awaitable[T]], adapter: TypeAdapter[T]
    ) -> tuple[Answer, DomainError | None]:
        """What is to be stored, and the refusal that it is, if it is one; one that may not be stored is raised."""
        try:
            result = await work()
        except DomainError as refusal:
            if not _may_be_stored(refusal):
                raise
            if not refusal.keeps_changes:
                await self.session.rollback()
            response = self.request.app.problems.answer(refusal, self.request.scope)
            return Answer(response.status_code, response.media_type or "", bytes(response.body)), refusal
        status = self.request.scope["route"].status_code or 200
        body = adapter.dump_json(result, by_alias=True) if is_body_allowed_for_status_code(status) else b""
        return Answer(status, "application/json", body), None


def _may_be_stored(refusal: DomainError) -> bool:
    if not refusal.is_final or isinstance(refusal, _NOT_STORED) or _is_validation(refusal):
        return False
    return status_of(type(refusal)) < _SERVER_ERROR


def _is_validation(refusal: DomainError) -> bool:
    return isinstance(refusal, Invalid) and refusal.code == Invalid.code


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type, headers=headers)


async def _fingerprint(request: Request) -> bytes:
    """Path, query and canonical body: the same JSON in another order or spacing is the same request."""
    canonical = await request.body()
    # A handler without a body may be sent anything.
    with suppress(orjson.JSONDecodeError):
        canonical = orjson.dumps(orjson.loads(canonical), option=orjson.OPT_SORT_KEYS)
    # As the service knows it: the same request, mounted or not.
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return hashlib.sha256(b"\0".join((path.encode(), request.url.query.encode(), canonical))).digest()


async def _once(
    request: Request,
    session: Session,
    resources: ResourcesDep,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header(description="1 to 255 characters; makes a retry safe.")] = None,
) -> Once:
    scope = f"{caller.subject} {request.method} {request.scope['route'].path}"
    return Once(request, session, Claims(resources.database), scope, idempotency_key)


OnceDep = Annotated[Once, Depends(_once)]


async def _request_key(once: OnceDep) -> UUID:
    return (await once.ticket()).id


# The same for every attempt under one Idempotency-Key: what an effect that outlives a crash is known by.
RequestKey = Annotated[UUID, Depends(_request_key)]


def idempotent(endpoint: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Makes a handler idempotent: a header, a claim before its work, its answer stored with its work.

    The claim comes after validation, because it wraps the handler itself; what decides the answer is written through
    the request's `Session`, so that effect and answer are one transaction.
    """
    signature = inspect.signature(endpoint)
    adapter: TypeAdapter[Any] = TypeAdapter(signature.return_annotation)

    @wraps(endpoint)
    async def keyed(*args: P.args, **kwargs: P.kwargs) -> Any:
        once = kwargs.pop("once")
        assert isinstance(once, Once)  # noqa: S101 - the signature below says so, to FastAPI
        return await once.answer(lambda: endpoint(*args, **kwargs), adapter)

    parameter = inspect.Parameter("once", inspect.Parameter.KEYWORD_ONLY, annotation=OnceDep)
    keyed.__signature__ = signature.replace(parameters=[*signature.parameters.values(), parameter])  # type: ignore[attr-defined]
    return keyed
