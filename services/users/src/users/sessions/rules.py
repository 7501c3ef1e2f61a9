"""Decisions about sessions: what a refresh token is, what showing one leads to, what is kept of a request."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from core.ids import format_id, parse_id
from core.tokens.sealing import derive_key

PREFIX = "rt"
USER_AGENT_CHARACTERS_MAX = 256
# What most providers give to one customer or one mast, so that no single household is kept.
IPV4_PREFIX_BITS = 24
IPV6_PREFIX_BITS = 48

_FORM = re.compile(r"(rt_[0-9a-z]{26})\.(0|[1-9][0-9]{0,8})\.[\w-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The how-manieth token of which session; `secret` makes it one that nobody else can write."""

    session_id: UUID
    counter: int

    def text(self, *, secret: str) -> str:
        """`rt_<session>.<counter>.<mac>`: HMAC-SHA256 under a key for this session alone (HKDF)."""
        key = derive_key(secret, f"users refresh token v1 {self.session_id}")
        mac = urlsafe_b64encode(hmac.digest(key, str(self.counter).encode(), hashlib.sha256)).rstrip(b"=").decode()
        return f"{format_id(PREFIX, self.session_id)}.{self.counter}.{mac}"

    @classmethod
    def parse(cls, text: str, *, secret: str) -> "RefreshToken | None":
        """The token that was written with `secret`; None if this is none."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        try:
            token = cls(parse_id(PREFIX, form[1]), int(form[2]))
        except ValueError:
            return None
        return token if hmac.compare_digest(token.text(secret=secret), text) else None


class Verdict(Enum):
    """What follows from showing a refresh token of a live session."""

    ROTATE = auto()
    REPEAT = auto()
    REUSED = auto()


def verdict(*, shown: int, current: int, rotated_at: datetime, now: datetime, leeway: timedelta) -> Verdict:
    """RFC 9700, section 4.14.2: a token that is not the current one has been stolen, from this client or by it.

    One behind and within `leeway` is the exception: the answer was lost, or two tabs refreshed at once.
    """
    if shown == current:
        return Verdict.ROTATE
    if shown == current - 1 and now - rotated_at < leeway:
        return Verdict.REPEAT
    return Verdict.REUSED


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sign-in came from, as far as it is kept."""

    user_agent: str | None
    ip: str | None

    @classmethod
    def of(cls, *, user_agent: str | None, address: str | None) -> "Origin":
        """What is kept of a request's User-Agent and client address."""
        printable = "".join(character for character in user_agent or "" if character.isprintable())
        return cls(printable[:USER_AGENT_CHARACTERS_MAX] or None, truncated(address))


def truncated(address: str | None) -> str | None:
    """The network of an address; None for what is none."""
    try:
        ip = ip_address(address or "")
        if isinstance(ip, IPv6Address):
            ip = ip.ipv4_mapped or ip
        bits = IPV6_PREFIX_BITS if isinstance(ip, IPv6Address) else IPV4_PREFIX_BITS
        return str(ip_network(f"{ip}/{bits}", strict=False))
    except ValueError:
        return None
