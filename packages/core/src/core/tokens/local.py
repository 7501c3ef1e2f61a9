"""The signing key of a developer's machine: `<service> token` signs with it, the environment `local` believes it."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from core.tokens.keys import generate_key, key_id
from core.tokens.sealing import key_from_pem, key_to_pem

LOCAL = "local"
FILE_NAME = "token-key.pem"


@dataclass(frozen=True, slots=True)
class LocalKey:
    """One key in one file; a `Keys` that knows this key alone."""

    private: EllipticCurvePrivateKey = field(repr=False)
    public: EllipticCurvePublicKey = field(repr=False)
    kid: str

    @classmethod
    def open(cls, folder: Path, *, environment: str) -> "LocalKey":
        """Reads the key of this folder, or makes it: once, however many processes ask at once. Blocking.

        Raises:
            ValueError: the environment is not `local`, or the file holds no key.
        """
        if environment != LOCAL:
            raise ValueError(f"a local key signs and verifies in the environment {LOCAL} only")
        file = folder / FILE_NAME
        if not file.exists():
            _create(file)
        private = key_from_pem(file.read_bytes())
        return cls(private, private.public_key(), key_id(private))

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The public half, if it is the one that is meant."""
        return self.public if kid == self.kid else None


def _create(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key_to_pem(generate_key()))
    try:
        # Unlike a rename, a link never replaces the key that another process has made meanwhile.
        file.hardlink_to(unfinished)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
