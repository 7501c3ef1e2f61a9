"""The matrix: each way out, what is asked to get there, what a client gets, and what the log holds."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx

from core.testing.exits.layer import FAILS_BEFORE
from core.testing.exits.misuse import LATE_MISUSES, MISUSES, MISUSES_AFTERWARDS

BODY_MAX = 1_048_576
_JSON = {"Content-Type": "application/json"}
# Mistakes that raise nothing: what lacks never comes.
_SILENT = ("nothing", "only-a-start", "no-end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One request, and how it ends. `tracebacks`: how many lines of the log hold one."""

    path: str
    status: int
    code: str = ""
    tracebacks: int = 0
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content: bytes | None = None
    # Sent one after the other, without a Content-Length.
    chunks: tuple[bytes, ...] = ()
    # Headers that tell the client what to do next.
    tells: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_late(self) -> bool:
        """Whether it ends because its time is up."""
        return self.status == 504

    async def take(self, client: httpx.AsyncClient, **headers: str) -> httpx.Response:
        """The answer to the request."""
        content = self._chunked() if self.chunks else self.content
        return await client.request(self.method, self.path, content=content, headers={**self.headers, **headers})

    async def _chunked(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def _get(path: str, status: int, code: str, *, tracebacks: int = 0, **tells: str) -> Exit:
    named = {name.replace("_", "-"): value for name, value in tells.items()}
    return Exit(path=f"/v1/exits/{path}", status=status, code=code, tracebacks=tracebacks, tells=named)


def _post(path: str, status: int, code: str, **sent: Any) -> Exit:
    return Exit(method="POST", path=f"/v1/exits/{path}", status=status, code=code, **sent)


def _breaks(path: str) -> Exit:
    return _get(path, 500, "internal_error", tracebacks=1)


def _away(method: str, path: str, code: str = "database_unavailable") -> Exit:
    return Exit(method=method, path=f"/v1/exits/{path}", status=503, code=code, tells={"retry-after": "1"})


_BROKEN = {
    "a handler": _breaks("handler"),
    "a dependency": _breaks("dependency"),
    "the end of a dependency": _breaks("yield-before-the-answer"),
    "a dependency that swallows": _breaks("swallowed"),
    "a refusal that cannot be told": _breaks("unspeakable"),
    "somebody else's cancellation": _breaks("foreign-cancellation"),
    "a stream before its first chunk": _breaks("stream-breaks-at-once"),
    "JSON lines before their first": _breaks("json-lines-break-at-once"),
    "events before their first": _breaks("events-break-at-once"),
    "a file that is not there": _breaks("no-file"),
    "a layer": Exit(path=FAILS_BEFORE, status=500, code="internal_error", tracebacks=1),
    # Its traceback would quote what was about to be answered.
    "an answer of the wrong shape": _get("response-validation", 500, "internal_error"),
    **{
        f"misuse: {mistake}": _get(f"misuse/{mistake}", 500, "internal_error", tracebacks=mistake not in _SILENT)
        for mistake in MISUSES
    },
}

_REFUSED = {
    "a refusal": _get("refusal", 409, "conflict"),
    "the end of a dependency that refuses": _get("yield-refuses-before-the-answer", 409, "conflict"),
    "a stream that refuses": _get("stream-refuses-at-once", 404, "not_found"),
    "a stream with a status": _get("stream-raises-a-status-at-once", 415, "unsupported_media_type"),
    "no token": _get("caller", 401, "unauthenticated", www_authenticate="Bearer"),
    "an unknown path": Exit(path="/v1/nothing-here", status=404, code="not_found"),
    "an unknown path, to write": Exit(method="POST", path="/", status=404, code="not_found"),
    "a wrong method": Exit(
        method="DELETE", path="/v1/exits/slow", status=405, code="method_not_allowed", tells={"allow": "GET, HEAD"}
    ),
    "malformed JSON": _post("things", 400, "malformed_json", content=b"{", headers=_JSON),
    "an invalid body": _post("things", 422, "validation_failed", content=b"{}", headers=_JSON),
    "no body": _post("things", 422, "validation_failed"),
    "an invalid parameter": _get("http-exception?status=many", 422, "validation_failed"),
    "no JSON": _post("things", 415, "unsupported_media_type", content=b"a=1"),
    "a compressed body": _post(
        "things", 415, "unsupported_media_type", content=b"{}", headers=_JSON | {"Content-Encoding": "gzip"}
    ),
    "a large body": _post("things", 413, "content_too_large", content=b" " * (BODY_MAX + 1)),
    "a body that grows": _post(
        "things", 413, "content_too_large", chunks=(b" " * 65_536,) * (BODY_MAX // 65_536 + 1), headers=_JSON
    ),
    "a body that grows, read by the handler": _post(
        "body", 413, "content_too_large", chunks=(b" " * 65_536,) * (BODY_MAX // 65_536 + 1)
    ),
    "a length that is no number": _post("things", 400, "bad_request", headers={"Content-Length": "-1"}),
    "too many requests": _get("rate-limited", 429, "rate_limited", retry_after="7"),
    "too slow": _get("slow", 504, "timed_out"),
    "a stream that stalls": _get("stream-stalls", 504, "timed_out"),
}

# By the status that a handler raised, what it is to a client: kinds of ours, and no information that is none.
_STATUSES = {
    f"the status {raised}": _get(f"http-exception?status={raised}", status, code)
    for raised, status, code in [
        (400, 400, "bad_request"),
        (402, 402, "payment_failed"),
        (418, 400, "bad_request"),
        (429, 429, "rate_limited"),
        (500, 500, "internal_error"),
        (599, 500, "internal_error"),
        (100, 500, "internal_error"),
        (1000, 500, "internal_error"),
        (0, 500, "internal_error"),
        (-1, 500, "internal_error"),
    ]
}

_DATABASE = {
    "a failed commit": _post("commit-fails", 500, "internal_error", tracebacks=1),
    "a refusal that keeps changes": _post("kept", 409, "kept"),
    "a slow statement": _away("POST", "slow-statement", "database_too_slow"),
    "a slow read": _away("GET", "slow-read", "database_too_slow"),
    "a lost connection": _away("POST", "lost-connection"),
    "no connection left": _away("GET", "no-connection-left"),
    "no reader left": _away("GET", "no-reader-left"),
}

# What ends as a problem document.
EXITS: Mapping[str, Exit] = {**_BROKEN, **_REFUSED, **_STATUSES, **_DATABASE}

# What was answered before it failed: the answer stays what it is.
AFTERWARDS: Mapping[str, Exit] = {
    path: _get(path, 200, "", tracebacks=1)
    for path in [
        "background",
        "yield-after-the-answer",
        "yield-refuses-after-the-answer",
        "after-its-end",
        "layer-fails-after",
        *(f"misuse/{mistake}" for mistake in MISUSES_AFTERWARDS),
    ]
}

# What breaks off when a part of it has left; the client can tell, because its end never comes.
CUT_SHORT: Mapping[str, Exit] = {
    path: _get(path, 200, "", tracebacks=not path.endswith(_SILENT))
    for path in [
        "stream-breaks-later",
        "stream-refuses-later",
        "json-lines-break-later",
        *(f"misuse/{mistake}" for mistake in LATE_MISUSES),
    ]
}
