"""`python mortal.py STEP serve`: billing, in a process that kills itself at one step of the first payment it makes."""

import os
import signal
import sys
from threading import Thread
from typing import Any

from sqlalchemy import event

from billing.__main__ import main
from billing.payments.provider import Sandbox
from billing.payments.service import Payments

# After what it dies; where that is written in a transaction, before or after its commit.
STEPS: dict[str, tuple[type, str, str | None]] = {
    "before the payment is on record": (Payments, "begin", "before_commit"),
    "before the provider is asked": (Payments, "begin", "after_commit"),
    "after the provider has charged": (Sandbox, "charge", None),
    "before the result is on record": (Payments, "record", "before_commit"),
    "before the answer is sent": (Payments, "record", "after_commit"),
}


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _plant(kind: type, name: str, moment: str | None) -> None:
    work = getattr(kind, name)

    async def mortal(self: Any, *given: Any, **named: Any) -> Any:
        done = await work(self, *given, **named)
        if moment is None:
            _die()
        else:
            event.listen(self.repository.session.sync_session, moment, _die)
        return done

    setattr(kind, name, mortal)


def _follow_to_the_end() -> None:
    """Nobody else ends it when the test run has been killed itself."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_follow_to_the_end, daemon=True).start()
    _plant(*STEPS[sys.argv.pop(1)])
    main()
