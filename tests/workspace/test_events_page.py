"""docs/events.md shows code that a service has, and says the numbers that core has."""

import re
from pathlib import Path

import pytest
from workspace.scaffold.template import Names, parts_of_service, rendered

from core.events.inbox.dispatcher import HANDLER_TIMEOUT_S
from core.events.outbox.writing import DATA_BYTES_MAX
from core.events.queues.leases import ATTEMPTS_MAX, BACKOFF_S_MAX, BACKOFF_S_MIN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/events.md").read_text()
MADE = rendered(parts_of_service(), Names("orders", "baskets", "basket", "bas"), Path("orders"))


@pytest.mark.parametrize("block", re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_its_code_is_that_of_a_service(block):
    billing = (ROOT / "services/billing/src/billing/customers/handlers.py").read_text()
    assert any(block in text for text in (billing, *MADE.values()))


def test_its_numbers_are_those_of_core():
    said = " ".join(PAGE.split())
    assert (
        f"tried again after {BACKOFF_S_MIN} s, then after twice as long each time, up to {BACKOFF_S_MAX // 60} min"
        in said
    )
    assert f"After {ATTEMPTS_MAX} attempts, in some 12 to 24 minutes" in said
    assert f"It has {HANDLER_TIMEOUT_S} s." in said
    assert f"At most {DATA_BYTES_MAX // 1024} KiB as JSON." in said
