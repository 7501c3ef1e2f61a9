"""How the sandbox signs what it tells, and how that is checked: `t=<unix time>,v1=<HMAC-SHA256 of "t.body">`."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from billing.payments.provider.port import WebhookNotSigned

# How far a signature's time may be off, both ways: after that, what somebody has overheard is worth nothing.
TOLERANCE_S = 300

_TIME = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signs with the first secret; believes each of them, so that a secret is replaced without a refusal."""

    secrets: tuple[SecretStr, ...]

    def sign(self, raw: bytes, *, at: datetime) -> str:
        """The header that goes with a body."""
        time = str(int(at.timestamp()))
        return f"t={time},v1={_mac(self.secrets[0], time, raw)}"

    def check(self, raw: bytes, header: str | None, *, now: datetime) -> None:
        """Accepts a body that one of the secrets has signed just now.

        `now` is the system's time: the provider does not know of the business clock, and whoever moved that could have
        an old signature believed.

        Raises:
            WebhookNotSigned: none has, or too long ago, or in time to come.
        """
        parts = [part.strip().partition("=") for part in (header or "").split(",")]
        times = [value for name, _, value in parts if name == "t"]
        if len(times) != 1 or not _TIME.fullmatch(times[0]):
            raise WebhookNotSigned
        given = [value.encode() for name, _, value in parts if name == "v1"]
        expected = [mac.encode() for mac in self._macs(times[0], raw)]
        if not any(hmac.compare_digest(each, mac) for each in given for mac in expected):
            raise WebhookNotSigned
        if abs(now.timestamp() - int(times[0])) > TOLERANCE_S:
            raise WebhookNotSigned

    def _macs(self, time: str, raw: bytes) -> Iterator[str]:
        return (_mac(secret, time, raw) for secret in self.secrets)


def _mac(secret: SecretStr, time: str, raw: bytes) -> str:
    return hmac.new(secret.get_secret_value().encode(), f"{time}.".encode() + raw, hashlib.sha256).hexdigest()
