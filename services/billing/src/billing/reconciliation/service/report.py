"""What a reconciliation finds: sums of the three books, and where they differ."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from billing.reconciliation.rules import Difference

# As many are shown; all are counted.
SHOWN_MAX = 1000


@dataclass(slots=True)
class Totals:
    """What the provider holds for us, in one currency: by its books, by our payments and refunds, and by the ledger."""

    provider_minor: int = 0
    payments_minor: int = 0
    ledger_minor: int = 0


@dataclass(slots=True)
class Report:
    """What was compared since an instant, and what was found; it grows while the books are read."""

    since: datetime
    compared: int = 0
    # What has arrived at the provider and was lost on its way to us, written now.
    healed: int = 0
    # Whose outcome nobody knows yet: no difference.
    under_way: int = 0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)
    totals: defaultdict[str, Totals] = field(default_factory=lambda: defaultdict(Totals))

    def add(self, difference: Difference) -> None:
        """Takes note of a difference."""
        self.found += 1
        if len(self.differences) < SHOWN_MAX:
            self.differences.append(difference)
