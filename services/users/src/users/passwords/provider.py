"""Argon2id in threads: so many hashes at once, so many in the queue, and none on the event loop."""

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files

import argon2
from argon2.exceptions import VerifyMismatchError

from core.offload import Offload, open_offload
from core.resources import Resource
from users.settings import PasswordSettings, Settings

# OWASP Password Storage Cheat Sheet and RFC 9106, section 3.1: 128 bits of salt, 256 of tag.
SALT_BYTES = 16
TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class Hashing:
    """Hashes and checks passwords as the settings say; knows which ones everybody tries first."""

    offload: Offload
    hasher: argon2.PasswordHasher
    # What stands in for the hash of somebody who is not there.
    nobody: str = field(repr=False)
    common: frozenset[str] = field(repr=False)

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            Overloaded: try again later.
        """
        return await self.offload(partial(self.hasher.hash, password))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password; the same work where there is no hash, and the answer is no.

        Raises:
            Overloaded: try again later.
        """
        return await self.offload(partial(self._verify, hashed or self.nobody, password)) and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self.hasher.check_needs_rehash(hashed)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self.hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False


@asynccontextmanager
async def open_hashing(settings: PasswordSettings) -> AsyncGenerator[Hashing]:
    """The threads, as long as the process lives."""
    concurrency = settings.hash_concurrency or os.cpu_count() or 1
    hasher = argon2.PasswordHasher(
        time_cost=settings.hash_iterations,
        memory_cost=settings.hash_memory_kib,
        parallelism=settings.hash_parallelism,
        hash_len=TAG_BYTES,
        salt_len=SALT_BYTES,
        type=argon2.Type.ID,
    )
    async with open_offload("passwords", concurrency=concurrency, queue_max=settings.hash_queue_max) as offload:
        nobody = await offload(partial(hasher.hash, secrets.token_urlsafe()))
        common = await offload(common_passwords)
        yield Hashing(offload, hasher, nobody, common | {word.casefold() for word in settings.context_words})


HASHING = Resource(Hashing, lambda resources: open_hashing(resources.settings_as(Settings).passwords))


def common_passwords() -> frozenset[str]:
    """The list that this package ships; blocking."""
    text = files("users.passwords").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
