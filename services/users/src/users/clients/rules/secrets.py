"""The secret of a machine client: how it is made and kept, and how it is shown (`client_secret_basic`)."""

import secrets
from base64 import b64decode
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote_plus

SECRET_BYTES = 32


def new_secret() -> str:
    """256 random bits, in characters that no form and no header has to encode."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: SHA-256 is enough for what nobody can guess."""
    return sha256(secret.encode(errors="surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class ShownSecret:
    """What somebody says they are, and the secret that is to prove it."""

    client_id: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, credentials: str) -> "ShownSecret | None":
        """What stands behind `Basic`: both form-urlencoded before (RFC 6749, section 2.3.1); None for anything else."""
        try:
            client_id, _, secret = b64decode(credentials, validate=True).decode("ascii").partition(":")
            return cls(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
        except ValueError:
            return None
