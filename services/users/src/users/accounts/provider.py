"""Argon2id in threads: so many hashes at once, so many in the queue, and none on the event loop."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError

from core.errors import Unavailable
from users.settings import PasswordSettings

# OWASP Password Storage Cheat Sheet and RFC 9106, section 3.1: 128 bits of salt, 256 of tag.
SALT_BYTES = 16
TAG_BYTES = 32
# Long enough for a full queue to be worked off.
RETRY_AFTER_S = 1

T = TypeVar("T")


class HashingBusy(Unavailable):
    """More passwords are waiting to be checked than can be checked soon."""

    code = "password_hashing_busy"

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


class Offload:
    """Runs work that keeps a CPU busy in threads: `concurrency` at once, and a bounded queue of who waits."""

    def __init__(self, executor: ThreadPoolExecutor, *, concurrency: int, queue_max: int) -> None:
        self._executor = executor
        self._free = asyncio.Semaphore(concurrency)
        self._queue_max = queue_max
        self._waiting = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`.

        Raises:
            HashingBusy: the queue is full.
        """
        if self._free.locked() and self._waiting >= self._queue_max:
            raise HashingBusy
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        running.add_done_callback(lambda _: self._free.release())
        # A caller who leaves does not stop the thread: its place is free only when the work is done.
        return await asyncio.shield(running)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Hashes and checks passwords as the settings say; knows which ones everybody tries first."""

    offload: Offload
    hasher: argon2.PasswordHasher
    # What stands in for the hash of somebody who is not there.
    nobody: str = field(repr=False)
    common: frozenset[str] = field(repr=False)

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            HashingBusy: try again later.
        """
        return await self.offload(partial(self.hasher.hash, password))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password; the same work where there is no hash, and the answer is no.

        Raises:
            HashingBusy: try again later.
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
async def open_passwords(settings: PasswordSettings) -> AsyncGenerator[Passwords]:
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
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="passwords")
    try:
        offload = Offload(executor, concurrency=concurrency, queue_max=settings.hash_queue_max)
        nobody = await offload(partial(hasher.hash, secrets.token_urlsafe()))
        common = await offload(common_passwords)
        yield Passwords(offload, hasher, nobody, common | {word.casefold() for word in settings.context_words})
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def common_passwords() -> frozenset[str]:
    """The list that this package ships; blocking."""
    text = files("users.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
