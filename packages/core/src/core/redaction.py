"""The one redactor: what it masks stays out of logs, problems, traces and the settings printed at a terminal."""

import re
from collections.abc import Mapping
from functools import lru_cache

MASK = "***"
# Deeper than any log line or body of ours; a structure that contains itself ends here.
DEPTH_MAX = 12

# `token` counts only as the last word: `token_type` and the settings group `tokens` hide nothing.
_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret(?!s?[_-]dir)|authorization|cookie|credential|jwt|token$|dsn$"
    r"|(?:api|private|access|signing)[_-]?key",
    re.IGNORECASE,
)
# http ends its user part at the path, which may hold an address (`/users/me@example.com`). Elsewhere it runs to the
# last `@`, so that an unescaped `/` or `@` in a database password does not cut the password short.
_URL = re.compile(r"""\b(https?)://([^\s/?#"<>]+)|\b([a-z][a-z0-9+.-]{0,30})://([^\s"<>]+)""", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*){0,3}")
_REFRESH_TOKEN = re.compile(r"\brt_[\w.-]{8,}")
# A digit, a capital or `=` tells a credential from prose ("bearer authentication").
_SCHEME = re.compile(r"\b((?i:bearer|basic|dpop)) +(?=[\w.~+/=-]*?[\dA-Z=])[\w.~+/=-]{8,}")
_HEADER = re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key): ?[^\r\n\"']+", re.IGNORECASE)
# pydantic ends a refusal with what it refused.
_REFUSED_INPUT = re.compile(r"input_value=.*?(?=, input_type=\w+\])", re.DOTALL)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_QUOTED = r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'"""
# A query string, a form, a libpq connection string.
_ASSIGNED = re.compile(rf"""(?<![\w.-])([\w.-]++)(\s?=\s?)({_QUOTED}|[^\s&;,"'<>)}}\]]+)""")
# A member of JSON or of a printed dict.
_MEMBER = re.compile(rf"""["']([\w.-]++)(["']\s?:\s?)({_QUOTED})""")


def redact(text: str) -> str:
    """`text` without the credentials that can be told by their shape or by the name before them; idempotent.

    A plain substring search decides which patterns run at all: an ordinary log line costs about 1 µs.
    """
    if "@" in text and "://" in text:
        text = _URL.sub(_without_password, text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if "rt_" in text:
        text = _REFRESH_TOKEN.sub(f"rt_{MASK}", text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}", text)
    if ":" in text or " " in text:
        text = _redact_headers(text)
    if "=" in text:
        text = _ASSIGNED.sub(_without_value, text)
    if '":' in text or "':" in text:
        text = _MEMBER.sub(_without_member, text)
    return text


def redact_traceback(text: str) -> str:
    """`text`, the message or the traceback of an exception, without credentials and without what pydantic refused."""
    return _REFUSED_INPUT.sub(f"input_value={MASK}", redact(text))


def redact_mapping(mapping: Mapping[str, object]) -> dict[str, object]:
    """A copy in which every value under a secret name is masked and every other text redacted, at any depth."""
    return {name: _redacted(name, value, DEPTH_MAX) for name, value in mapping.items()}


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether a header, field or variable of this name holds a credential."""
    return _SECRET_NAME.search(name) is not None


def _redacted(name: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name) or depth == 0:
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), member, depth - 1) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted("", member, depth - 1) for member in value]
    return value


def _redact_headers(text: str) -> str:
    lower = text.lower()
    if "bearer " in lower or "basic " in lower or "dpop " in lower:
        text = _SCHEME.sub(rf"\1 {MASK}", text)
    if "authorization:" in lower or "cookie:" in lower or "x-api-key:" in lower:
        text = _HEADER.sub(rf"\1: {MASK}", text)
    return text


def _without_password(match: re.Match[str]) -> str:
    scheme, rest = match[1] or match[3], match[2] or match[4]
    user_info, at, host = rest.rpartition("@")
    user, colon, _ = user_info.partition(":")
    if not at:
        return match[0]
    if "@" in user and colon:
        # Several servers with commas between them, and the first one has a token.
        return f"{scheme}://{MASK}@{host}"
    if colon:
        return f"{scheme}://{user}:{MASK}@{host}"
    # A database's lone user is a name; elsewhere (https, nats) it is a token.
    return match[0] if scheme.lower().startswith("postgres") else f"{scheme}://{MASK}@{host}"


def _without_value(match: re.Match[str]) -> str:
    name, sign, value = match.groups()
    return f"{name}{sign}{_mask_like(value)}" if is_secret_name(name) else match[0]


def _without_member(match: re.Match[str]) -> str:
    name, sign, value = match.groups()
    return f"{match[0][0]}{name}{sign}{_mask_like(value)}" if is_secret_name(name) else match[0]


def _mask_like(value: str) -> str:
    quote = value[0] if value[0] in "\"'" else ""
    return f"{quote}{MASK}{quote}"
