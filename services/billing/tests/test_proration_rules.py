"""Proration as properties: no instant is charged twice, nothing is given back that was not paid, no cent is lost."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.catalog.models import Interval, Offer, Price
from billing.subscriptions.rules import (
    Charge,
    Period,
    Run,
    Terms,
    changed,
    charged,
    credit_item,
    first_item,
    partial_item,
    period_at,
    prorated,
    renewed,
    uncovered,
)

START = datetime(2025, 6, 1, tzinfo=UTC)
JUNE = Period(START, datetime(2025, 7, 1, tzinfo=UTC))


def terms(unit_amount, *, interval: Interval = "month", quantity=1, plan="Team"):
    price = Price(
        id=UUID(int=1),
        plan_id=UUID(int=2),
        model="per_unit",
        unit_amount=Decimal(unit_amount),
        currency="EUR",
        interval=interval,
        tax_rate=Decimal("0.21"),
        trial_days=0,
        created_at=START,
    )
    return Terms(Offer(price, plan), quantity)


def day(number, *, hours=0):
    return START + timedelta(days=number - 1, hours=hours)


@pytest.mark.parametrize(
    ("before", "after", "at", "lines"),
    [
        ("10", "20", day(16), [-5, 10]),
        ("1000", "2000", day(16), [-500, 1000]),  # docs.stripe.com, prorations
        ("500", "2000", day(2), [-483, 1933]),  # Polar's documentation
        ("10000", "30000", day(16), [-5000, 15000]),  # Polar's tests
        ("10000", "30000", day(11), [-6667, 20000]),
        ("1", "1", day(16), [-1, 1]),  # halves go away from zero
        ("0", "1000", day(16), [0, 500]),
        ("1000", "0", day(16), [-500, 0]),
    ],
)
def test_the_rest_of_a_period_is_given_back_and_charged_anew(before, after, at, lines):
    run = Run(START, JUNE, charged(renewed_item(before)))
    effect = changed(run, terms(before), terms(after), at=at, now=at, proration="invoice_now")
    assert [item.net_minor for item in effect.items] == lines
    assert all(item.proration and (item.period_start, item.period_end) == (at, JUNE.end) for item in effect.items)


def renewed_item(unit_amount):
    (item,) = renewed(
        Run(START, Period(day(1) - timedelta(days=31), START), None), terms("1"), terms(unit_amount)
    ).items
    return item


def test_a_first_period_costs_its_share_of_the_one_that_contains_it():
    anchor, start = datetime(2021, 9, 25, tzinfo=UTC), datetime(2021, 9, 16, tzinfo=UTC)
    part = Period(start, period_at(anchor, "month", start).end)
    assert part.end == anchor
    item = first_item(terms("2495"), part, anchor_at=anchor)
    assert (item.net_minor, item.proration) == (724, True)  # Kill Bill's documentation
    (second,) = renewed(Run(anchor, part, charged(item)), terms("2495"), terms("2495")).items
    assert (second.net_minor, second.proration) == (2495, False)
    assert (second.period_start, second.period_end) == (anchor, datetime(2021, 10, 25, tzinfo=UTC))


def test_another_interval_at_the_end_of_a_period_is_counted_from_there():
    run = Run(datetime(2024, 1, 31, tzinfo=UTC), Period(day(1), JUNE.end), None)
    effect = renewed(run, terms("1"), terms("12", interval="year"))
    assert effect.run.period == Period(JUNE.end, datetime(2026, 7, 1, tzinfo=UTC))
    assert effect.run.anchor_at == JUNE.end


amounts = st.integers(0, 10**12)
seconds = st.integers(0, 30 * 86_400 - 1).map(lambda number: timedelta(seconds=number))


@given(amounts, seconds)
def test_the_same_price_at_the_same_instant_costs_nothing(amount, passed):
    at, same = START + passed, terms(amount)
    run = Run(START, JUNE, charged(first_item(same, JUNE, anchor_at=START)))
    assert sum(item.net_minor for item in changed(run, same, same, at=at, now=at, proration="invoice_now").items) == 0


@given(amounts, seconds)
def test_a_credit_is_never_more_than_was_paid_nor_less_than_nothing(amount, passed):
    covered = charged(first_item(terms(amount), JUNE, anchor_at=START))
    assert -amount <= credit_item(covered, START + passed, "Unused time").net_minor <= 0


@given(amounts, st.lists(seconds, min_size=1, max_size=20, unique=True))
def test_a_period_in_pieces_costs_what_it_costs_whole_but_half_a_unit_a_piece(amount, cuts):
    edges = [START, *sorted(START + cut for cut in cuts), JUNE.end]
    pieces = [prorated(amount, Period(*edge), JUNE) for edge in pairwise(edges)]
    assert abs(sum(pieces) - amount) <= Fraction(len(pieces), 2)


@given(st.integers(-(10**12), 10**12), seconds)
def test_a_share_is_exact_but_for_one_rounding_half_away_from_zero(amount, passed):
    share = prorated(amount, JUNE.rest(START + passed), JUNE)
    second = timedelta(seconds=1)
    exact = Fraction(amount * ((JUNE.length - passed) // second), JUNE.length // second)
    assert abs(share - exact) <= Fraction(1, 2)
    assert abs(share - exact) < Fraction(1, 2) or abs(share) >= abs(exact)
    assert share == -prorated(-amount, JUNE.rest(START + passed), JUNE)


@dataclass
class Covered:
    """How often each second is paid for, counted by what lines charge and give back."""

    edges: list[tuple[datetime, int]] = field(default_factory=list)

    def count(self, item):
        sign = 1 if item.quantity > 0 else -1
        self.edges += [(item.period_start, sign), (item.period_end, -sign)]

    def forfeit(self, coverage, at):
        """What somebody gave up who changed the interval and wanted nothing back."""
        self.edges += [(at, -1), (coverage.period.end, 1)]

    def extremes(self):
        """How often an instant is paid for at most, and at least."""
        depth, depths = 0, [0]
        for instant in sorted({instant for instant, _ in self.edges}):
            depth += sum(change for at, change in self.edges if at == instant)
            depths.append(depth)
        return max(depths), min(depths)


changes = st.lists(
    st.tuples(
        st.integers(1, 40 * 86_400),
        st.integers(1, 10**6),
        st.sampled_from(["month", "month", "year"]),
        st.sampled_from(["invoice_now", "next_invoice", "none"]),
    ),
    max_size=12,
)


@given(changes, st.integers(1, 10**6))
def test_no_instant_is_paid_for_twice_whatever_is_changed(steps, first):
    present, now, covered = terms(first), START, Covered()
    item = first_item(present, JUNE, anchor_at=START)
    covered.count(item)
    run, paid = Run(START, JUNE, charged(item)), item.net_minor
    for wait, amount, interval, proration in steps:
        now += timedelta(seconds=wait)
        while run.period.end <= now:
            effect = renewed(run, present, present)
            run, paid = effect.run, paid + sum(each.net_minor for each in effect.items)
            for each in effect.items:
                covered.count(each)
        wanted = terms(amount, interval=interval)
        if interval != present.offer.price.interval and proration == "none":
            covered.forfeit(run.coverage, now)
        effect = changed(run, present, wanted, at=now, now=now, proration=proration)
        for each in effect.items:
            covered.count(each)
        paid += sum(each.net_minor for each in effect.items)
        assert paid >= 0
        assert run.period.start <= now < effect.run.period.end
        run, present = effect.run, wanted
    assert covered.extremes() == (1, 0)


@given(st.integers(1, 10**9), st.lists(seconds, min_size=1, max_size=10))
def test_changes_to_the_same_price_cost_a_unit_each_at_most(amount, instants):
    same = terms(amount)
    run = Run(START, JUNE, charged(first_item(same, JUNE, anchor_at=START)))
    for passed in sorted(instants):
        at = START + passed
        effect = changed(run, same, same, at=at, now=at, proration="invoice_now")
        # What is given back was rounded before: it is off by half a unit at most, and both lines are rounded.
        assert abs(sum(item.net_minor for item in effect.items)) <= 1
        run = effect.run


def test_a_part_says_how_many_pieces_it_is_of():
    item = partial_item(terms("10", quantity=3), JUNE.rest(day(16)), JUNE)
    assert (item.description, item.quantity, item.unit_amount) == ("Remaining time on 3 x Team", 1, 15)


def test_in_a_trial_nothing_is_prorated():
    run = Run(JUNE.end, JUNE, None)
    effect = changed(run, terms("1"), terms("2", interval="year"), at=day(3), now=day(3), proration="invoice_now")
    assert (effect.run, list(effect.items)) == (run, [])


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.lists(st.floats(0, 1), max_size=5),
    st.tuples(st.integers(0, 29 * 86400), st.integers(0, 29 * 86400)),
)
def test_what_is_given_back_and_taken_back_is_never_more_than_was_charged(first, second, shares, seconds):
    upgrade, end = (START + timedelta(seconds=each) for each in sorted(seconds))
    run = Run(START, JUNE, charged(renewed_item(str(first))))
    effect = changed(run, terms(first), terms(second), at=upgrade, now=upgrade, proration="invoice_now")
    credit, debit = (item.net_minor for item in effect.items)
    # Credit notes on the first charge, a part of which has been given back with the change.
    run, left = effect.run, first
    for share in shares:
        part = int(left * share)
        run, left = uncovered(run, [Charge(part, JUNE)]), left - part
    free = changed(run, terms(second), terms("0"), at=end, now=end, proration="invoice_now")
    given_back = -credit - free.items[0].net_minor
    noted_minor = first - left
    # A credit note that comes to more is refused.
    assert given_back + noted_minor <= first + debit or free.items[0].net_minor == 0
    assert free.items[0].net_minor <= 0


def test_in_a_trial_nothing_was_charged_that_could_be_taken_back():
    run = Run(START, JUNE, None)
    assert uncovered(run, [Charge(1000, JUNE)]) == run
