"""Watches the event loop from a thread: how late it runs, and where it is when one step holds it too long."""

from core.watchdog.lag import LoopLag, loop_lag
from core.watchdog.stalls import Watchdog

__all__ = ["LoopLag", "Watchdog", "loop_lag"]
