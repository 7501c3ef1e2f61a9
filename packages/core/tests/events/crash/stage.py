"""Where services live and die: their databases, the processes that they run in, and what came of each event."""

import asyncio
import multiprocessing
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from victim import Part, play

from core.events.bus.protocol import TURN

# A forked process starts in milliseconds: the server that forks it has imported what it needs.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["core.events", "core.events.bus.nats", "core.settings", "pytest", "uvloop"])

# What a dead process held is free again soon, and no failure is waited for long.
IMPATIENT: Mapping[str, Any] = {
    "core.events.queues.leases.LEASE": timedelta(seconds=2),
    "core.events.inbox.dispatcher.LEASE": timedelta(seconds=2),
    "core.events.inbox.dispatcher.HANDLER_TIMEOUT_S": 1,
    "core.events.queues.leases.BACKOFF_S_MIN": 0.02,
    "core.events.queues.leases.BACKOFF_S_MAX": 0.1,
    "core.events.queues.outcomes.PAUSE_S": 0.05,
    "core.events.queues.polling.POLL_S_MIN": 0.01,
    "core.events.queues.polling.POLL_S_MAX": 0.05,
    "core.events.bus.nats.feed.POLL_S": 0.05,
    "core.events.bus.nats.feed.RETRY_S_MAX": 0.2,
    "core.events.bus.nats.link.RECONNECT_S_MAX": 0.2,
}
LOOK_S = 0.02
chance = secrets.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one handler fared with all that was committed."""

    committed: int
    applied: int
    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    never_committed: int = 0


@dataclass(kw_only=True)
class Stage:
    """Two services, in one process where the bus is local, else in one each; and all the processes that they had."""

    bus: str
    stream: str
    log: Path
    # How many events a test is about.
    events: int
    urls: Mapping[str, str]
    databases: Mapping[str, asyncpg.Pool]
    # Each process, and each server, that was killed.
    kills: int = 0
    # What else a run with many events is about to show.
    figures: list[str] = field(default_factory=list)
    _alive: dict[BaseProcess, Sequence[str]] = field(default_factory=dict)

    @property
    def casts(self) -> Sequence[tuple[str, ...]]:
        """Which services each process has."""
        return [("consumer", "producer")] if self.bus.startswith("local:") else [("consumer",), ("producer",)]

    async def start(self, services: Sequence[str], **part: Any) -> BaseProcess:
        """A process with these services."""
        constants = {**IMPATIENT, **part.pop("constants", {})}
        part |= {service: self.urls[service] for service in services}
        whole = Part(bus=self.bus, stream=self.stream, log=str(self.log), constants=constants, **part)
        process = processes.Process(target=play, args=(whole,))
        await asyncio.to_thread(process.start)
        self._alive[process] = services
        return process

    async def kill(self, process: BaseProcess) -> None:
        """Ends it as nobody can prevent."""
        process.kill()
        await self.died(process)

    async def died(self, process: BaseProcess) -> None:
        """Waits until it was killed, or has killed itself."""
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == -signal.SIGKILL, self._last_words()
        self.kills += 1
        for service in self._alive.pop(process):
            await self._time_passes(service)

    @asynccontextmanager
    async def running(self, **part: Any) -> AsyncIterator[Mapping[str, BaseProcess]]:
        """The process of each service, until the block ends and whatever of them still lives is killed."""
        started = {services: await self.start(services, **part) for services in self.casts}
        yield {service: process for services, process in started.items() for service in services}
        for process in started.values():
            if process in self._alive:
                await self.kill(process)

    async def end(self) -> None:
        """Kills what is left."""
        for process in self._alive:
            process.kill()
            await asyncio.to_thread(process.join)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Waits for it; not for ever, and not when a process has ended by itself."""
        try:
            async with asyncio.timeout(60 + self.events / 50):
                while not await condition():
                    assert await asyncio.to_thread(self._are_alive), self._last_words()
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            outcomes = [await self.outcome(service) for service in self.databases]
            raise AssertionError(f"{outcomes}\n{self._last_words()}") from None

    async def committed(self, least: int) -> None:
        """Waits until so many events are committed."""
        await self.until(lambda: self._is_at_least("producer", "SELECT count(*) FROM outbox", least))

    async def applied(self, least: int) -> None:
        """Waits until the consumer has applied so many."""
        statement = "SELECT count(*) FROM applied WHERE handler = 'once'"
        await self.until(lambda: self._is_at_least("consumer", statement, least))

    async def sent(self, least: int) -> None:
        """Waits until so many are committed, and all are sent."""
        await self.committed(least)
        await self.until(self._is_all_sent)

    async def finished(self) -> None:
        """Waits until all events are committed, sent, and handled by every handler."""
        await self.committed(self.events)
        await self.until(self._is_finished)

    async def at_times(self, times: int) -> AsyncIterator[None]:
        """So many moments while events are applied: some come between two, however slow the machine is."""
        for number in range(1, times + 1):
            await self.applied(self.events * number // (times + 1))
            await asyncio.sleep(chance.uniform(0, 0.1))
            yield

    async def each_was_applied_once(self) -> None:
        """Asserts that all which was committed came to its end, in order, and nothing else."""
        await self.finished()
        made = await self.databases["producer"].fetchval("SELECT sum(version)::int FROM things")
        for service in self.databases:
            outcome = await self.outcome(service)
            assert outcome == Outcome(committed=made, applied=made), outcome
        # At least once, and what came twice came in the same order.
        told = await self.outcome("consumer", "on")
        assert (told.lost, told.out_of_order, told.never_committed) == (0, 0, 0), told

    async def outcome(self, service: str, handler: str = "once") -> Outcome:
        """What one of its handlers made of what is committed."""
        committed = await self.databases["producer"].fetch("SELECT id FROM outbox")
        rows = await self.databases[service].fetch(
            "SELECT event_id, subject, sequence FROM applied WHERE handler = $1 ORDER BY at", handler
        )
        ids, applied = {row["id"] for row in committed}, {row["event_id"] for row in rows}
        first: dict[UUID, asyncpg.Record] = {}
        for row in rows:
            first.setdefault(row["event_id"], row)
        ordered = sorted(first.values(), key=lambda row: row["subject"])
        follow = [
            (one["sequence"], next_["sequence"])
            for one, next_ in pairwise(ordered)
            if one["subject"] == next_["subject"]
        ]
        return Outcome(
            committed=len(ids),
            applied=len(applied),
            lost=len(ids - applied),
            twice=len(rows) - len(applied),
            out_of_order=sum(sequence > following for sequence, following in follow),
            never_committed=len(applied - ids),
        )

    async def _is_at_least(self, service: str, statement: str, least: int) -> bool:
        return await self.databases[service].fetchval(statement) >= least

    async def _is_all_sent(self) -> bool:
        return not await self.databases["producer"].fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL")

    async def _is_finished(self) -> bool:
        committed = await self.databases["producer"].fetchval("SELECT count(*) FROM outbox")
        statement = "SELECT count(*) FROM inbox WHERE handled_at IS NOT NULL OR dead_at IS NOT NULL"
        own = await self.databases["producer"].fetchval(statement)
        foreign = await self.databases["consumer"].fetchval(statement)
        # The consumer has two handlers.
        return (own, foreign) == (committed, 2 * committed) and await self._is_all_sent()

    async def _time_passes(self, service: str) -> None:
        """What its dead process held is free: most tests need not wait for that."""
        database = self.databases[service]
        for table in ("outbox", "inbox"):
            await database.execute(f"UPDATE {table} SET leased_until = now() WHERE leased_until > now()")  # noqa: S608 - ours
        ended = "UPDATE bus_positions SET reader = NULL, leased_until = leased_until - $1::interval"
        await database.execute(f"{ended} WHERE reader IS NOT NULL", TURN)

    def _are_alive(self) -> bool:
        return all(process.is_alive() for process in self._alive)

    def logged(self) -> list[dict[str, Any]]:
        """Each line of its processes."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines()]

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:])
