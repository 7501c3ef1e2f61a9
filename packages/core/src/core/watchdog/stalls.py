"""Finds the step that holds an event loop too long, from a thread beside it."""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Event, Thread, get_ident
from time import monotonic
from types import FrameType
from typing import Any

import structlog

from core.telemetry.exchange import Exchange, current_exchange
from core.watchdog.lag import LoopLag

# How often the loop shows that it runs, and is looked at: a step is certain to be found that is longer than the limit
# by one tick.
TICKS_PER_STALL = 4
TICK_S_MAX = 0.1
# What holds the loop for longer may never end, and is told while it lasts.
PATIENCE_S = 5.0
# A process that blocks all the time does not fill its log with that.
LINES_INTERVAL_S = 10.0
FRAMES_MAX = 40
STOP_TIMEOUT_S = 1.0

log = structlog.get_logger("core.watchdog")


@dataclass(slots=True)
class _Held:
    """The step that a late loop was found in, and what is to be told of it once it has taken too long."""

    # When the loop was to show that it runs: unchanged, it has not.
    due: float
    # None: between two steps.
    step: FrameType | None
    since: float
    blocked_s: float = 0
    line: dict[str, Any] | None = None
    exchange: Exchange | None = None
    told: bool = False


class Watchdog:
    """Logs where one step of the loop is when it has held the loop for `stall_s`: one line, when the step has ended.

    Many short steps make a loop late, too; the lag says so, and no line blames the one that happens to run. A line has
    files, lines and functions, and no values; `exchange_of` finds the request that a frame serves.
    """

    def __init__(self, *, stall_s: float, exchange_of: Callable[[FrameType], Exchange | None]) -> None:
        self.lag = LoopLag()
        self._stall_s = stall_s
        self._tick_s = min(TICK_S_MAX, stall_s / TICKS_PER_STALL)
        self._exchange_of = exchange_of
        self._ended = Event()
        self._due = 0.0
        # What the loop itself is called from: above it stand the frames of the step that runs.
        self._loop_frame: FrameType | None = None
        self._quiet_until = 0.0
        self._left_out = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches the loop that runs until the block ends."""
        loop = asyncio.get_running_loop()
        self._ended.clear()
        self._due = monotonic() + self._tick_s
        loop.call_soon(self._tick, loop)
        thread = Thread(target=self._watch, args=(loop, get_ident()), name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            await asyncio.to_thread(thread.join, STOP_TIMEOUT_S)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._ended.is_set():
            return
        frame = inspect.currentframe()
        self._loop_frame = frame and frame.f_back
        now = monotonic()
        self.lag.note(max(0.0, now - self._due))
        self._due = now + self._tick_s
        loop.call_later(self._tick_s, self._tick, loop)

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        held = None
        while not self._ended.wait(self._tick_s):
            try:
                held = self._look(loop, thread_id, held)
            except Exception:
                # Whatever it is, it is no reason to stop serving, nor to stop watching.
                log.exception("watchdog failed")
                self._ended.wait(LINES_INTERVAL_S)

    def _look(self, loop: asyncio.AbstractEventLoop, thread_id: int, held: _Held | None) -> _Held | None:
        due, now = self._due, monotonic()
        frames = self._frames(thread_id) if now > due else []
        step = frames[0] if frames else None
        if held is not None and (held.due != due or held.step is not step):
            self._tell(held, ended=True)
        if now <= due:
            return None
        if held is None or held.due != due:
            held = _Held(due, step, since=due)
        elif held.step is not step:
            held = _Held(due, step, since=now)
        held.blocked_s = now - held.since
        if frames and held.blocked_s > self._stall_s:
            if held.line is None:
                held.exchange, held.line = self._found(frames, loop)
            if held.blocked_s > PATIENCE_S:
                self._tell(held, ended=False)
        return held

    def _frames(self, thread_id: int) -> list[FrameType]:
        """The frames of the step that runs, outermost first."""
        frames = []
        frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - documented, and nothing else sees another thread
        while frame is not None and frame is not self._loop_frame:
            frames.append(frame)
            frame = frame.f_back
        return frames[::-1]

    def _found(
        self, frames: list[FrameType], loop: asyncio.AbstractEventLoop
    ) -> tuple[Exchange | None, dict[str, Any]]:
        exchange = next((found for frame in frames if (found := self._exchange_of(frame))), None)
        stack = [
            f"{each.f_code.co_filename}:{each.f_lineno} {each.f_code.co_qualname}" for each in frames[-FRAMES_MAX:]
        ]
        if exchange is not None:
            return exchange, {"method": exchange.method, "route": exchange.route, "stack": stack}
        task = asyncio.current_task(loop)
        return None, {"task": task and task.get_name(), "stack": stack}

    def _tell(self, held: _Held, *, ended: bool) -> None:
        if held.line is None or held.told:
            return
        held.told = True
        now = monotonic()
        if now < self._quiet_until:
            self._left_out += 1
            return
        self._quiet_until = now + LINES_INTERVAL_S
        # In the name of the request, as if it had said so itself.
        token = current_exchange.set(held.exchange)
        log.warning(
            "event loop blocked",
            blocked_ms=round(held.blocked_s * 1000),
            ended=ended,
            lines_left_out=self._left_out,
            **held.line,
        )
        current_exchange.reset(token)
        self._left_out = 0
