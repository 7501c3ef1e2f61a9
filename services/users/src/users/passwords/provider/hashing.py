"""Argon2id in threads: so many hashes at once, so many in the queue, and none on the event loop."""

import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files

import argon2
from argon2.exceptions import VerifyMismatchError

from core.offload import Offload, Place, open_offload
from core.resources import Resource
from users.passwords.provider.leaked import is_listed
from users.settings import PasswordSettings, Settings

# OWASP Password Storage Cheat Sheet and RFC 9106, section 3.1: 128 bits of salt, 256 of tag.
SALT_BYTES = 16
TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether it was the password; if so, and its hash was made with other parameters than today's, another hash."""

    matches: bool
    renewed: str | None = field(default=None, repr=False)


# The password that somebody shows, and the hash of the one they have; None where there is nobody.
Check = Callable[[str, str | None], Awaitable[Checked]]


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

    async def is_listed(self, password: str) -> bool:
        """Whether it is on the list of leaked passwords, which is read in the same threads.

        Raises:
            Overloaded: try again later.
        """
        return await self.offload(partial(is_listed, password))

    @contextmanager
    def queued(self) -> Iterator[Check]:
        """A place in the queue, to check one password in; the same work where there is no hash, and the answer is no.

        Raises:
            Overloaded: try again later; checking in a place that one has never raises it.
        """
        with self.offload.place() as place:
            yield partial(self._check, place)

    async def _check(self, place: Place, password: str, hashed: str | None) -> Checked:
        checked = await place(partial(self._verify, hashed or self.nobody, password))
        return checked if hashed is not None else Checked(matches=False)

    def _verify(self, hashed: str, password: str) -> Checked:
        try:
            self.hasher.verify(hashed, password)
        except VerifyMismatchError:
            return Checked(matches=False)
        # In the same place: who has shown the right password is not sent away for want of another one.
        outdated = self.hasher.check_needs_rehash(hashed)
        return Checked(matches=True, renewed=self.hasher.hash(password) if outdated else None)


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
