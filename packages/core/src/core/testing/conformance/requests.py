"""Requests that a proxy could bend: their answers are the same wherever the service runs, and as the table says."""

from collections.abc import Mapping
from typing import Any

from core.testing.exits import Exit
from core.testing.exits.table import BODY_MAX
from core.testing.locally import WEB_ORIGIN

_JSON = {"Content-Type": "application/json"}
_THING = b'{"name":"a"}'


def _get(path: str, status: int, **headers: str) -> Exit:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exit(path=path, status=status, headers=named)


def _post(status: int, content: bytes | None = None, *, chunks: tuple[bytes, ...] = (), **headers: str) -> Exit:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = "/v1/exits/things"
    return Exit(method="POST", path=path, status=status, headers=_JSON | named, content=content, chunks=chunks)


# The path as it is sent: what it means, nobody but the service decides.
_PATHS = {
    "/": 404,
    "/v1": 404,
    "/v1/nothing-here": 404,
    "/v1/exits/refusal": 409,
    "/v1/exits/refusal/": 404,
    "/v1//exits/refusal": 404,
    "/v1/exits//refusal": 404,
    "/v1/exits/%2e%2e/exits/refusal": 404,
    "/v1/exits%2Frefusal": 409,
    "/v1/exits/refus%61l": 409,
    "/v1/exits/refusal%00": 404,
    "/v1/exits/refusal;a=b": 404,
    "/v1/exits/echo/ünï": 200,
    "/v1/exits/echo/%C3%BCn%C3%AF": 200,
    "/v1/exits/echo/a%20b+c": 200,
    "/v1/exits/echo/%252F": 200,
    "/v1/exits/echo/%3F%23": 200,
    "/v1/exits/echo/%FF": 200,
    "/v1/exits/echo/a:b@c,d;e=f!$&'()*~": 200,
    "/v1/exits/echo/a?": 200,
    "/v1/exits/echo/a?b=1&b=2&c": 200,
    "/v1/exits/echo/a?b=%2F+%20;c=ü": 200,
    "/v1/exits/echo/a?b=%zz&%": 200,
    f"/v1/exits/echo/a?{'b' * 8_000}": 200,
    f"/v1/exits/echo/{'a' * 8_000}": 200,
    "/livez": 200,
    "/docs": 200,
    "/openapi.json": 200,
    "/problems/not_found": 200,
    "/problems/nothing": 404,
}

_STREAMS = {path: _get(f"/v1/exits/{path}", 200) for path in ("parts", "lines", "events")}

_CONDITIONS = {
    "many headers": _get("/v1/exits/headers", 201),
    "any version": _get("/openapi.json", 304, If_None_Match="*"),
    "another version": _get("/openapi.json", 200, If_None_Match='W/"other"'),
    "a part": _get("/openapi.json", 200, Range="bytes=0-9"),
    "in fewer bytes": _get("/openapi.json", 200, Accept_Encoding="gzip, br, zstd"),
    "another media type": _get("/v1/exits/refusal", 409, Accept="text/html"),
}

_BODIES = {
    "a body": _post(200, _THING),
    "a body in parts": _post(200, chunks=(b'{"na', b'me":', b'"a"}')),
    "an empty body": _post(422, b""),
    "an empty body in parts": _post(422, chunks=(b"",)),
    "the largest body": _post(200, _THING + b" " * (BODY_MAX - len(_THING))),
    "the largest body in parts": _post(200, chunks=(_THING, *(b" " * 65_532,) * 16, b" " * 52)),
    "a body that is expected": _post(200, _THING, Expect="100-continue"),
    "a body of another charset": _post(200, _THING, Content_Type="application/json; charset=utf-16"),
    "a body of no type": _post(415, _THING, Content_Type="text/plain"),
    "a body that is packed": _post(415, _THING, Content_Encoding="br"),
}

_METHODS = {
    f"{method} {path}": Exit(method=method, path=path, status=status)
    for path, statuses in {
        "/v1/exits/refusal": {"HEAD": 409, "POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405, "PROPFIND": 405},
        "/v1/exits/things": {"GET": 405, "HEAD": 405, "PATCH": 405, "TRACE": 405, "QUERY": 405},
        "/v1/exits/echo/a": {"HEAD": 200},
        "/livez": {"HEAD": 200, "POST": 405},
        "/nothing": {"HEAD": 404, "OPTIONS": 404},
    }.items()
    for method, status in statuses.items()
}

_PREFLIGHTS = {
    name: Exit(method="OPTIONS", path="/v1/exits/things", status=status, headers={"Origin": origin, **asked})
    for name, status, origin, asked in [
        ("a preflight", 200, WEB_ORIGIN, {"Access-Control-Request-Method": "POST"}),
        ("a preflight for nothing", 403, WEB_ORIGIN, {"Access-Control-Request-Method": "TRACE"}),
        ("a preflight of another page", 403, "https://other.example", {"Access-Control-Request-Method": "POST"}),
    ]
}

REQUESTS: Mapping[str, Exit] = {
    **{path[:60]: _get(path, status) for path, status in _PATHS.items()},
    **_STREAMS,
    **_CONDITIONS,
    **_BODIES,
    **_METHODS,
    **_PREFLIGHTS,
}

# What each operation is asked, by somebody who may do everything, or by nobody.
OF_AN_OPERATION: Mapping[str, Mapping[str, Any]] = {
    "without a token": {},
    "with a member that is unknown": {"json": {"unknown": 1}},
    "with what is no JSON": {"content": b"a=1", "headers": {"Content-Type": "text/plain"}},
    "with malformed JSON": {"content": b"{", "headers": _JSON},
    "by HEAD": {"method": "HEAD"},
    "by OPTIONS": {"method": "OPTIONS"},
    "by a method that is none": {"method": "PROPFIND"},
}
