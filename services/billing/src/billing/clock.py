"""Business time: the host's clock, ahead of it by as far as it was moved."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import Clock


@dataclass(slots=True)
class BusinessClock:
    """What billing dates by; tokens, leases and the delays of events live by clocks that nobody moves."""

    host: Clock
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        return self.host.now() + self.ahead

    def move(self, ahead: timedelta) -> None:
        """Puts it so far ahead of the host's clock; never back, however late one is told."""
        self.ahead = max(self.ahead, ahead)
