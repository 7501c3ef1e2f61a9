"""A clock that stands still until a test moves it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class MovableClock:
    """Starts at the system's time, and moves only when told to."""

    current: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """The instant at which it stands."""
        return self.current

    def advance(self, by: timedelta) -> None:
        """Moves it."""
        self.current += by
