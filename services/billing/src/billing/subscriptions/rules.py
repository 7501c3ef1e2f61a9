"""When the periods of a subscription end, what one costs, and what a change in the midst of one comes to."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Self

from billing.catalog.models import Interval, Offer
from billing.invoices.rules import Item
from billing.subscriptions.models import Subscription

# What becomes of the rest of a period when something changes in it: an invoice now, lines of the next one, nothing.
Proration = Literal["invoice_now", "next_invoice", "none"]
Effective = Literal["now", "period_end"]

_MONTHS = {"month": 1, "year": 12}
# How long a first invoice may stay unpaid.
INCOMPLETE_FOR = timedelta(hours=23)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open time: its end belongs to the next one."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def rest(self, at: datetime) -> "Period":
        """What is left of it from an instant on."""
        return Period(at, self.end)

    def within(self, other: "Period") -> timedelta:
        """How much of it another one has."""
        return max(timedelta(0), min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was charged for a time, before tax: the price actually paid, of which the rest may be given back."""

    net_minor: int
    tax_rate: Decimal
    period: Period


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of an invoice, or a part of it, before tax."""

    net_minor: int
    period: Period


@dataclass(frozen=True, slots=True)
class Terms:
    """What is subscribed to."""

    offer: Offer
    quantity: int


@dataclass(frozen=True, slots=True)
class Run:
    """How far a subscription is: where its periods are counted from, the present one, and what was charged for it."""

    anchor_at: datetime
    period: Period
    # None: nothing was, as in a trial.
    coverage: Coverage | None

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        """Where a subscription is now."""
        period = Period(subscription.current_period_start, subscription.current_period_end)
        start, end = subscription.covered_from, subscription.covered_until
        if start is None or end is None or end <= period.start:
            return cls(subscription.anchor_at, period, None)
        covered = Coverage(subscription.covered_net_minor, subscription.covered_tax_rate, Period(start, end))
        return cls(subscription.anchor_at, period, covered)

    def onto(self, subscription: Subscription) -> None:
        """Puts a subscription there."""
        subscription.anchor_at = self.anchor_at
        subscription.current_period_start, subscription.current_period_end = self.period.start, self.period.end
        if self.coverage is not None:
            subscription.covered_net_minor = self.coverage.net_minor
            subscription.covered_tax_rate = self.coverage.tax_rate
            subscription.covered_from = self.coverage.period.start
            subscription.covered_until = self.coverage.period.end


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change comes to: the lines that it makes, and how the subscription runs from then on."""

    run: Run
    items: Sequence[Item] = ()


def boundary(anchor: datetime, interval: Interval, count: int) -> datetime:
    """The instant at which the `count`th period after `anchor` ends; below 1, at which an earlier one does.

    Computed from the anchor, never from the boundary before: 31 January, 29 February, 31 March.
    """
    months = anchor.year * 12 + anchor.month - 1 + count * _MONTHS[interval]
    year, month = months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def period_at(anchor: datetime, interval: Interval, at: datetime) -> Period:
    """The whole period that contains an instant, which may be before the anchor."""
    # By the month this is the period that the instant is in; by the day it may be the one before.
    count = ((at.year - anchor.year) * 12 + at.month - anchor.month) // _MONTHS[interval]
    if boundary(anchor, interval, count) > at:
        count -= 1
    return Period(boundary(anchor, interval, count), boundary(anchor, interval, count + 1))


def to_the_second(at: datetime) -> datetime:
    """The instant as proration counts it: all that happens within a second costs the same."""
    return at.replace(microsecond=0)


def prorated(amount_minor: int, part: Period, whole: Period) -> int:
    """The share of an amount that a part of a period has; halves of a minor unit go away from zero."""
    numerator = amount_minor * (part.length // _MICROSECOND)
    denominator = whole.length // _MICROSECOND
    # In integers, because a quotient such as 1/3 is no decimal.
    nearest = (2 * abs(numerator) + denominator) // (2 * denominator)
    return nearest if numerator >= 0 else -nearest


def period_item(terms: Terms, period: Period) -> Item:
    """The line of a whole period."""
    return Item(
        description=terms.offer.plan_name,
        quantity=Decimal(terms.quantity),
        unit_amount=terms.offer.price.unit_amount,
        tax_rate=terms.offer.price.tax_rate,
        period_start=period.start,
        period_end=period.end,
    )


def partial_item(terms: Terms, part: Period, whole: Period) -> Item:
    """The line of the rest of a period: the share that it has of the price of the whole one."""
    of_whole = period_item(terms, whole)
    share = Decimal(prorated(of_whole.net_minor, part, whole))
    pieces = "" if terms.quantity == 1 else f"{terms.quantity} x "
    return replace(
        of_whole,
        description=f"Remaining time on {pieces}{terms.offer.plan_name}",
        quantity=Decimal(1),
        unit_amount=share,
        period_start=part.start,
        proration=True,
    )


def first_item(terms: Terms, period: Period, *, anchor_at: datetime) -> Item:
    """The line of the first period: where it begins within a period of its anchor, of the rest of that one alone."""
    whole = period_at(anchor_at, terms.offer.price.interval, period.start)
    start = max(whole.start, to_the_second(period.start))
    if start == whole.start:
        return period_item(terms, period)
    return replace(partial_item(terms, whole.rest(start), whole), period_start=period.start)


def credit_item(coverage: Coverage, at: datetime, description: str) -> Item:
    """The line that gives back what was charged for the time from `at` on."""
    rest = coverage.period.rest(at)
    return Item(
        description=description,
        quantity=Decimal(-1),
        unit_amount=Decimal(prorated(coverage.net_minor, rest, coverage.period)),
        tax_rate=coverage.tax_rate,
        period_start=rest.start,
        period_end=rest.end,
        proration=True,
    )


def uncovered(run: Run, taken_back: Iterable[Charge]) -> Run:
    """Where a subscription is when charges of it are taken back, or asked for no more.

    What was charged is less by the share of each of this period that lies in the time that is covered. Rounded up: what
    was given back comes to no more than what was charged.
    """
    coverage = run.coverage
    if coverage is None:
        return run
    net_minor = coverage.net_minor
    for charge in of_period(taken_back, coverage.period.end):
        covered = charge.period.within(coverage.period) // _MICROSECOND
        net_minor += charge.net_minor * -covered // (charge.period.length // _MICROSECOND)
    return replace(run, coverage=replace(coverage, net_minor=max(0, net_minor)))


def of_period(charges: Iterable[Charge], end: datetime) -> list[Charge]:
    """Those of a period, and of what is left of it by each change: all end when it does."""
    return [charge for charge in charges if charge.period.end == end]


def is_left(charges: Sequence[Charge], taken_back: Sequence[Charge]) -> bool:
    """Whether so much may be taken back of what was charged: of each period no more than is left."""
    return all(
        _net_minor(of_period(taken_back, end)) <= max(0, _net_minor(of_period(charges, end)))
        for end in {charge.period.end for charge in taken_back}
    )


def _net_minor(charges: Iterable[Charge]) -> int:
    return sum(charge.net_minor for charge in charges)


def charged(item: Item) -> Coverage:
    """What a line covers."""
    return Coverage(item.net_minor, item.tax_rate, Period(item.period_start, item.period_end))


def renewed(run: Run, before: Terms, after: Terms) -> Effect:
    """What the period after the present one comes to; periods of another interval are counted from where it begins."""
    start = run.period.end
    anchor_at = start if restarts(before, after) else run.anchor_at
    item = period_item(after, Period(start, period_at(anchor_at, after.offer.price.interval, start).end))
    covered = charged(item)
    return Effect(Run(anchor_at, covered.period, covered), [item])


def changed(run: Run, before: Terms, after: Terms, *, at: datetime, now: datetime, proration: Proration) -> Effect:
    """What a change of terms comes to at an instant of the present period.

    Another interval begins a period of its own at `now`, charged as a whole; for the same one, the rest of the period
    is given back at the price that was paid, and charged at the new one. Where nothing was charged, as in a trial,
    nothing changes but the terms.
    """
    if run.coverage is None:
        return Effect(run)
    if restarts(before, after):
        period = Period(now, boundary(now, after.offer.price.interval, 1))
        following = Run(now, period, None)
        debit = period_item(after, period)
    elif proration == "none":
        return Effect(run)
    else:
        following = run
        debit = partial_item(after, run.period.rest(at), _whole(run, after))
    credit = credit_item(run.coverage, at, f"Unused time on {before.offer.plan_name}")
    given_back = [] if proration == "none" else [credit]
    return Effect(replace(following, coverage=charged(debit)), [*given_back, debit])


def restarts(before: Terms, after: Terms) -> bool:
    """Whether a change begins a period of its own."""
    return before.offer.price.interval != after.offer.price.interval


def _whole(run: Run, terms: Terms) -> Period:
    """The whole period that the present one is, or is the rest of, if it is the first and began in its midst."""
    return Period(period_at(run.anchor_at, terms.offer.price.interval, run.period.start).start, run.period.end)
