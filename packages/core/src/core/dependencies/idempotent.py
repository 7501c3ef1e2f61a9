"""Makes an operation take effect once for an Idempotency-Key, however often it is sent."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, ParamSpec, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from core.cancellation import settled
from core.database import DatabaseUnavailable
from core.database.engine import ended
from core.dependencies.database import Session
from core.dependencies.identity import Caller
from core.dependencies.location import path_of
from core.dependencies.resources import ResourcesDep
from core.errors import BadRequest, Conflict, DomainError, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable
from core.idempotency import Answer, Claims, Ticket
from core.redaction import is_secret_name
from core.web.openapi import documented
from core.web.problems import Problems, status_of

P = ParamSpec("P")
T = TypeVar("T")

KEY_CHARACTERS_MAX = 255
# Refusals that say nothing about the work: the same request may succeed a moment later.
_NOT_STORED = (Unauthenticated, Forbidden, RateLimited, Unavailable)
# What a handler may say beside the body of its answer, and says again to who asks again. Others belong to one exchange,
# or are secrets: a cookie is stored nowhere.
_KEPT_HEADERS = frozenset(
    {"cache-control", "content-language", "content-location", "etag", "last-modified", "link", "location"}
)


class IdempotencyKeyRequired(BadRequest):
    """This operation needs an Idempotency-Key header of 1 to 255 characters."""

    code = "idempotency_key_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One keyed request, and the transaction that decides its answer."""

    request: Request
    # Where a handler and its dependencies put headers.
    response: Response
    session: AsyncSession
    claims: Claims
    problems: Problems
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
            response = self._response(claim)
            response.headers["Idempotent-Replayed"] = "true"
            return response
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
        return self._response(answer)

    def _response(self, answer: Answer) -> Response:
        response = Response(answer.body, answer.status, media_type=answer.media_type)
        own = (each for each in self.response.headers.items() if each[0] not in _KEPT_HEADERS)
        for name, value in (*answer.headers, *own):
            response.headers.append(name, value)
        return response

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
            response = self.problems.answer(refusal, self.request.scope)
            return Answer(response.status_code, response.media_type or "", bytes(response.body)), refusal
        status = self.response.status_code or self.request.scope["route"].status_code or HTTPStatus.OK
        body = adapter.dump_json(result, by_alias=True) if is_body_allowed_for_status_code(status) else b""
        headers = tuple(each for each in self.response.headers.items() if each[0] in _KEPT_HEADERS)
        return Answer(status, "application/json", body, headers), None


def _may_be_stored(refusal: DomainError) -> bool:
    if not refusal.is_final or isinstance(refusal, _NOT_STORED) or _is_validation(refusal):
        return False
    return status_of(type(refusal)) < HTTPStatus.INTERNAL_SERVER_ERROR


def _is_validation(refusal: DomainError) -> bool:
    return isinstance(refusal, Invalid) and refusal.code == Invalid.code


async def _fingerprint(request: Request) -> bytes:
    """Path, query and canonical body: the same JSON in another order or spacing is the same request."""
    canonical = await request.body()
    # A handler without a body may be sent anything, and members that nobody reads may be deeper than can be written.
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
        canonical = orjson.dumps(orjson.loads(canonical), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"\0".join((path_of(request).encode(), request.url.query.encode(), canonical))).digest()


@documented(BadRequest, Conflict, Invalid, headers=["Idempotent-Replayed"], required=["Idempotency-Key"])
async def _once(
    *,
    request: Request,
    response: Response,
    session: Session,
    resources: ResourcesDep,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        # Said, and not checked by FastAPI: without a key, or with one too long, the answer is a 400.
        Header(description="Makes a retry safe.", json_schema_extra={"minLength": 1, "maxLength": KEY_CHARACTERS_MAX}),
    ] = None,
) -> Once:
    scope = f"{caller.subject} {request.method} {request.scope['route'].path}"
    return Once(
        request=request,
        response=response,
        session=session,
        claims=Claims(resources.database),
        problems=Problems(resources.settings.public_url),
        scope=scope,
        key=idempotency_key,
    )


OnceDep = Annotated[Once, Depends(_once)]


async def _request_key(once: OnceDep) -> UUID:
    return (await once.ticket()).id


# The same for every attempt under one Idempotency-Key: what an effect that outlives a crash is known by.
RequestKey = Annotated[UUID, Depends(_request_key)]


def _secret_members(schema: Any) -> Iterator[str]:
    """The names in a JSON schema, however deep, that the redactor would mask."""
    if isinstance(schema, dict):
        yield from (name for name in schema.get("properties", ()) if is_secret_name(name))
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _secret_members(part)


def idempotent(endpoint: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Makes a handler idempotent: a header, a claim before its work, its answer stored with its work.

    The claim comes after validation, because it wraps the handler itself; what decides the answer is written through
    the request's `Session`, so that effect and answer are one transaction.

    Raises:
        TypeError: the answer has members that are named like secrets, and would be stored.
    """
    signature = inspect.signature(endpoint)
    adapter: TypeAdapter[Any] = TypeAdapter(signature.return_annotation)
    if secrets := sorted(_secret_members(adapter.json_schema(mode="serialization"))):
        raise TypeError(f"{endpoint.__qualname__} answers with {', '.join(secrets)}: no answer with secrets is stored")

    @wraps(endpoint)
    async def keyed(*args: P.args, **kwargs: P.kwargs) -> Any:
        once = kwargs.pop("once")
        assert isinstance(once, Once)  # noqa: S101 - the signature below says so, to FastAPI
        return await once.answer(lambda: endpoint(*args, **kwargs), adapter)

    parameter = inspect.Parameter("once", inspect.Parameter.KEYWORD_ONLY, annotation=OnceDep)
    keyed.__signature__ = signature.replace(parameters=[*signature.parameters.values(), parameter])  # type: ignore[attr-defined]
    return keyed
