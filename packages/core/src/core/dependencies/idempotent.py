"""Makes an operation take effect once for an Idempotency-Key, however often it is sent."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

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
        key = (self.key or "").strip().removeprefix('"').removesuffix('"')
        if not 0 < len(key) <= KEY_CHARACTERS_MAX:
            raise IdempotencyKeyRequired
        return Ticket(scope=self.scope, key=key, fingerprint=await _fingerprint(self.request))

    async def answer(self, work: Callable[[], Awaitable[T]], adapter: TypeAdapter[T]) -> Response:
        """Does the work under a claim and stores its answer, or gives the answer that was stored.

        Raises:
            IdempotencyKeyRequired, IdempotencyKeyReused, IdempotencyInFlight, and whatever the work raises.
        """
        ticket = await self.ticket()
        stored = await self.claims.claim(ticket)
        if stored is not None:
            return _response(stored, headers={"Idempotent-Replayed": "true"})
        try:
            result = await work()
        except DomainError as refusal:
            await self._refused(ticket, refusal)
            raise
        except BaseException:
            await self.session.rollback()
            await self.claims.release(ticket)
            raise
        answer = Answer(self.request.scope["route"].status_code or 200, "application/json", adapter.dump_json(result))
        await self.claims.complete(self.session, ticket, answer)
        return _response(answer)

    async def _refused(self, ticket: Ticket, refusal: DomainError) -> None:
        if isinstance(refusal, _NOT_STORED) or status_of(type(refusal)) >= _SERVER_ERROR or _is_validation(refusal):
            await self.session.rollback()
            await self.claims.release(ticket)
            return
        response = self.request.app.problems.answer(refusal, self.request.scope)
        answer = Answer(response.status_code, response.media_type or "", bytes(response.body))
        if refusal.keeps_changes:
            await self.claims.complete(self.session, ticket, answer)
            return
        await self.session.rollback()
        async with self.claims.database.transaction() as session:
            await self.claims.complete(session, ticket, answer)


def _is_validation(refusal: DomainError) -> bool:
    return isinstance(refusal, Invalid) and refusal.code == Invalid.code


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type, headers=headers)


async def _fingerprint(request: Request) -> bytes:
    """Path and canonical body: the same JSON in another order or spacing is the same request."""
    body = await request.body()
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) if body else b""
    return hashlib.sha256(request.url.path.encode() + b"\0" + canonical).digest()


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
