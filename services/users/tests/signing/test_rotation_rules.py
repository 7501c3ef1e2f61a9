"""When a signing key is due for what, whatever the clock does and however often the job is missed."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from users.signing.models import SigningKey, State
from users.signing.rules import Timing, due, in_state

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TIMING = Timing(published_before_use=10 * MINUTE, replaced_after=90 * DAY, kept_after_use=7 * MINUTE)
START = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)


def a_key(kid, state, *, published=START, activated=None, retired=None):
    return SigningKey(kid=kid, state=state, created_at=published, activated_at=activated, retired_at=retired)


def active(kid="active", *, since=START):
    return a_key(kid, State.ACTIVE, activated=since)


def following(*, published):
    return a_key("next", State.NEXT, published=published)


def retired(*, at):
    return a_key("retired", State.RETIRED, activated=START, retired=at)


SECOND = timedelta(seconds=1)
PUBLISHED = START + 90 * DAY - 10 * MINUTE


@pytest.mark.parametrize(
    ("keys", "now", "what"),
    [
        ([active()], START, []),
        ([active()], PUBLISHED - SECOND, []),
        ([active()], PUBLISHED, ["publish"]),
        ([active()], START + 400 * DAY, ["publish"]),
        ([active(), following(published=PUBLISHED)], PUBLISHED, []),
        ([active(), following(published=PUBLISHED)], PUBLISHED + 10 * MINUTE - SECOND, []),
        ([active(), following(published=PUBLISHED)], START + 90 * DAY, ["activate next"]),
        # An operator asked for it, long before the time.
        ([active(), following(published=START)], START + 10 * MINUTE, ["activate next"]),
        # A clock that was set back.
        ([active(), following(published=START)], START - DAY, []),
        ([retired(at=START), active()], START + 7 * MINUTE - SECOND, []),
        ([retired(at=START), active()], START + 7 * MINUTE, ["remove retired"]),
        ([retired(at=START), active()], START + 90 * DAY, ["remove retired", "publish"]),
        ([retired(at=START), active(), following(published=START)], START + DAY, ["remove retired", "activate next"]),
    ],
)
def test_what_is_due(keys, now, what):
    found = due(keys, now=now, timing=TIMING)
    told = [f"remove {key.kid}" for key in found.remove]
    told += ["publish"] * found.publish
    told += [f"activate {found.activate.kid}"] if found.activate else []
    assert told == what


@dataclass
class Life:
    """What became of a key, by how much time really passed."""

    published: timedelta
    activated: Any = None
    retired: Any = None
    removed: Any = None


@dataclass
class Simulation:
    """The table, a clock that may be set back, and the lives of all keys."""

    now: datetime = START
    passed: timedelta = timedelta()
    keys: list[SigningKey] = field(default_factory=lambda: [active("0")])
    lives: dict[str, Life] = field(default_factory=lambda: {"0": Life(timedelta(), activated=timedelta())})

    def wait(self, time):
        self.now += time
        self.passed += time

    def set_back(self, time):
        self.now -= time

    @property
    def signs(self):
        [key] = in_state(State.ACTIVE, self.keys)
        return key.kid

    def publish(self):
        kid = str(len(self.lives))
        self.keys.append(a_key(kid, State.NEXT, published=self.now))
        self.lives[kid] = Life(self.passed)

    def rotate(self):
        """What an operator asks for."""
        if not in_state(State.NEXT, self.keys):
            self.publish()

    def run(self):
        """The job."""
        found = due(self.keys, now=self.now, timing=TIMING)
        for key in found.remove:
            self.keys.remove(key)
            self.lives[key.kid].removed = self.passed
        if found.publish:
            self.publish()
        if found.activate:
            [former] = in_state(State.ACTIVE, self.keys)
            former.state, former.retired_at = State.RETIRED, self.now
            self.lives[former.kid].retired = self.passed
            found.activate.state, found.activate.activated_at = State.ACTIVE, self.now
            self.lives[found.activate.kid].activated = self.passed
        assert self.signs


SECONDS = st.integers(0, 900).map(lambda seconds: timedelta(seconds=seconds))
LONG = st.integers(0, 200).map(lambda days: timedelta(days=days))
# Between two runs of the job, time passes: a minute, or much more while nothing runs.
HAPPENS = st.one_of(
    st.tuples(st.just("wait"), st.one_of(SECONDS, LONG)),
    st.tuples(st.just("set_back"), st.one_of(SECONDS, LONG)),
    st.tuples(st.sampled_from(["run", "rotate"])),
)


@given(st.lists(HAPPENS, max_size=60))
def test_a_key_is_known_before_it_signs_and_as_long_as_its_tokens_live(happenings):
    simulation = Simulation()
    for name, *arguments in happenings:
        getattr(simulation, name)(*arguments)
    lives = list(simulation.lives.values())
    for before, after in pairwise([life for life in lives if life.activated is not None]):
        # One signs until the next one does.
        assert before.retired == after.activated >= after.published + TIMING.published_before_use
    for life in lives:
        assert life.removed is None or life.removed >= life.retired + TIMING.kept_after_use


@given(st.lists(HAPPENS, max_size=20))
def test_whatever_has_happened_rotation_goes_on(happenings):
    simulation = Simulation()
    for name, *arguments in happenings:
        getattr(simulation, name)(*arguments)
    # Once the clock is where it has been, at most.
    simulation.wait(START + simulation.passed - simulation.now)
    for _ in range(2):
        before = simulation.signs
        for time in (90 * DAY, 10 * MINUTE, 7 * MINUTE):
            simulation.wait(time)
            simulation.run()
        assert simulation.signs != before
        assert not in_state(State.RETIRED, simulation.keys)
