"""When a signing key is published, signs, no longer signs, and is removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from users.signing.models import SigningKey, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a key stays what it is."""

    # Until every verifier has it, whatever it keeps from before.
    published_before_use: timedelta
    # From its first signature to the first of the next key.
    replaced_after: timedelta
    # Until every token that it signed has expired, everywhere.
    kept_after_use: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done with the keys, all at once."""

    remove: tuple[SigningKey, ...]
    # A new key.
    publish: bool
    # The key that signs from now on; the one that did is retired.
    activate: SigningKey | None


def due(keys: Sequence[SigningKey], *, now: datetime, timing: Timing) -> Due:
    """What is to be done at `now` with the keys of a service, one of which is active."""
    [active] = in_state(State.ACTIVE, keys)
    expired = [key for key in in_state(State.RETIRED, keys) if now >= _removed_at(key, timing)]
    following = in_state(State.NEXT, keys)
    ready = [key for key in following if now >= signs_at(key, timing)]
    ends_soon = now >= _replaced_at(active, timing) - timing.published_before_use
    return Due(remove=tuple(expired), publish=not following and ends_soon, activate=ready[0] if ready else None)


def in_state(state: State, keys: Sequence[SigningKey]) -> list[SigningKey]:
    """Those of the keys; no more than one is active, and one next."""
    return [key for key in keys if key.state == state]


def signs_at(following: SigningKey, timing: Timing) -> datetime:
    """From when on a published key may sign."""
    return following.created_at + timing.published_before_use


def _replaced_at(active: SigningKey, timing: Timing) -> datetime:
    return (active.activated_at or active.created_at) + timing.replaced_after


def _removed_at(retired: SigningKey, timing: Timing) -> datetime:
    return (retired.retired_at or retired.created_at) + timing.kept_after_use
