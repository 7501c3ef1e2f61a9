"""The one wrapper of `send`: holds the head of a response until its body begins, completes it, counts what leaves."""

import re
from time import perf_counter

from starlette.types import Message, Send

from core.middleware.security_headers import SecurityHeaders
from core.telemetry.exchange import Exchange

_STATUS_MIN, _STATUS_END = 200, 600
# RFC 9110, section 5.5.
_breaks_header = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search


def outgoing(exchange: Exchange, security: SecurityHeaders, send: Send) -> Send:
    """What every layer sends with; `exchange` then knows how far the response has come.

    A response begins when the first part of its body is there: a stream that fails before is a problem, not a success
    that breaks off. What is no response (ASGI, HTTP messages) is refused. A server refuses it too, but when it has
    counted the response as begun, so that nobody can be told any more.
    """

    async def send_in_turn(message: Message) -> None:
        if message["type"] == "http.response.start":
            if exchange.held is not None or exchange.begun:
                raise _out_of_turn(message)
            _check(message)
            exchange.held = message
            return
        start = exchange.held
        if start is not None:
            exchange.held, exchange.begun = None, True
            exchange.status = start["status"]
            _complete(start, message, exchange, security)
            await send(start)
        elif exchange.ended or not exchange.begun:
            raise _out_of_turn(message)
        exchange.bytes_sent += len(message.get("body", b""))
        exchange.ended = not message.get("more_body", False)
        await send(message)

    return send_in_turn


def _out_of_turn(message: Message) -> RuntimeError:
    return RuntimeError(f"{message['type']} was sent out of turn")


def _check(start: Message) -> None:
    # Below 200 is no answer yet (RFC 9110, section 15.2): a client would go on waiting.
    if not _STATUS_MIN <= start["status"] < _STATUS_END:
        raise RuntimeError(f"{start['status']} is not the status of a final response")
    for name, value in start.get("headers", ()):
        # What a handler put there may be what a client sent: a line end would begin a header of the client's own.
        if _breaks_header(value):
            raise RuntimeError(f"the value of the header {name.decode()} holds a control character")


def _complete(start: Message, part: Message, exchange: Exchange, security: SecurityHeaders) -> None:
    headers = start.get("headers", ())
    duration_ms = (perf_counter() - exchange.started) * 1000
    # A new list: this one may be a constant of whoever answered.
    start["headers"] = [
        *headers,
        *exchange.headers,
        *security.of(exchange, dict(headers), part),
        (b"x-request-id", exchange.request_id.encode()),
        (b"server-timing", b"app;dur=%.1f" % duration_ms),
    ]
