"""Trying again: only what may safely happen twice, with full jitter, and never beyond the time of the call.

stamina would retry a function; here what is retried is an exchange, whose answer says when (`Retry-After`).
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from opentelemetry.trace import Tracer

from core.client.spans import attempt_span, tell_status
from core.tracing import NO_TRACER

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
BACKOFF_S = 0.1
BACKOFF_MAX_S = 2.0
# Whoever answers these has not done the work. 500 is no such promise, and repeats itself.
RETRIED = {502, 503, 504}
# Retried only when the answer says when: a rate limit, and a claim on the same Idempotency-Key that is still in flight.
RETRIED_WHEN_TOLD = {409, 429}

_random = secrets.SystemRandom()


class Retrying(httpx.AsyncBaseTransport):
    """A transport that gives each attempt a time limit, and repeats those that failed without doing harm."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        timeout_s: float,
        attempt_timeout_s: float,
        retries_max: int,
        closes: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._transport = transport
        self._timeout_s = timeout_s
        self._attempt_timeout_s = attempt_timeout_s
        self._retries_max = retries_max
        self._closes = closes
        self._sleep = sleep
        self._tracer = tracer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer that is final, or the last of those that were not.

        Raises:
            httpx.TransportError: the last attempt had no answer.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout_s
        retries_max = self._retries_max if _may_repeat(request) else 0
        attempt = 0
        while True:
            pause = _backoff_s(attempt)
            try:
                response = await self._attempt(request, attempt)
            except httpx.TransportError as failed:
                if attempt == retries_max or _is_ours(failed) or clock() + pause >= deadline:
                    raise
            else:
                asked = _asked_pause_s(response)
                if asked is None:
                    return response
                pause += asked
                # The answer at hand is worth more than one that would come too late.
                if attempt == retries_max or clock() + pause >= deadline:
                    return response
                await response.aclose()
            await self._sleep(pause)
            attempt += 1

    async def _attempt(self, request: httpx.Request, number: int) -> httpx.Response:
        with attempt_span(self._tracer, request, number) as span:
            try:
                async with asyncio.timeout(self._attempt_timeout_s):
                    response = await self._transport.handle_async_request(request)
            except TimeoutError as late:
                raise httpx.ReadTimeout("the attempt took too long", request=request) from late
            tell_status(span, response.status_code)
        return response

    async def aclose(self) -> None:
        """Closes the transport below, if it is this one's to close."""
        if self._closes:
            await self._transport.aclose()


def _may_repeat(request: httpx.Request) -> bool:
    """Whether a second arrival does no harm, and the body is still there to be sent."""
    harmless = request.method in SAFE_METHODS or "Idempotency-Key" in request.headers
    return harmless and isinstance(request.stream, httpx.ByteStream)


def _is_ours(failed: httpx.TransportError) -> bool:
    """Whether the request itself is wrong, and will be wrong again."""
    return isinstance(failed, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))


def _backoff_s(attempt: int) -> float:
    """Full jitter: anything up to a bound that doubles, so that callers who failed together do not return together."""
    return _random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_S * 2**attempt))


def _asked_pause_s(response: httpx.Response) -> float | None:
    """How long to leave the sibling alone before trying again; None: the answer is final."""
    told = _retry_after_s(response)
    if response.status_code in RETRIED:
        return told or 0.0
    return told if response.status_code in RETRIED_WHEN_TOLD else None


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait, from either form of `Retry-After` (RFC 9110 §10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    # Not a date, or one without a time zone.
    except (ValueError, TypeError):
        return None
