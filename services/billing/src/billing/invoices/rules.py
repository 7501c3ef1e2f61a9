"""The arithmetic and the numbers of invoices (EN 16931: BR-CO-10, 13 to 17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from typing import Self

from billing.invoices.models import InvoiceView
from billing.money import AMOUNT_MINOR_MAX, product, rounded, total

# An invoice is answered with all its lines, and a page of a list with a hundred invoices.
LINES_MAX = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What becomes a line: so many pieces at so many minor units each, in a half-open period."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    tax_rate: Decimal
    period_start: datetime
    period_end: datetime
    proration: bool = False

    @property
    def net_minor(self) -> int:
        """Minor units before tax: the one rounding that a line has."""
        return rounded(product(self.quantity, self.unit_amount))


@dataclass(frozen=True, slots=True)
class Taxed:
    """The net amount of a line, or of all lines of a rate, and its tax."""

    rate: Decimal
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What an invoice comes to, in minor units, with the tax of each line."""

    subtotal_minor: int
    taxes_minor: tuple[int, ...]
    # What the customer's balance pays of it; of a negative total, all goes to the balance.
    balance_applied_minor: int

    @classmethod
    def of(cls, lines: Sequence[tuple[Decimal, int]], *, balance_minor: int) -> Self:
        """Those of lines, given the rate and net amount of each, for a customer who has so much in credit."""
        subtotal, shares = sum(net_minor for _, net_minor in lines), tuple(taxes(lines))
        applied = min(balance_minor, subtotal + sum(shares))
        return cls(subtotal_minor=subtotal, taxes_minor=shares, balance_applied_minor=applied)

    @property
    def tax_minor(self) -> int:
        return sum(self.taxes_minor)

    @property
    def total_minor(self) -> int:
        return self.subtotal_minor + self.tax_minor

    @property
    def amount_due_minor(self) -> int:
        return self.total_minor - self.balance_applied_minor


def are_too_large(lines: Sequence[tuple[Decimal, int]]) -> bool:
    """Whether so many lines, or what they come to whichever of them are summed, are more than an invoice can hold."""
    gross = sum(abs(net_minor) + rounded(product(rate, abs(net_minor))) + 1 for rate, net_minor in lines)
    return len(lines) > LINES_MAX or gross > AMOUNT_MINOR_MAX


def as_it_stands(invoice: InvoiceView) -> InvoiceView:
    """The invoice with its amounts: a draft has those that it would have if it were finalized now."""
    if invoice.status != "draft":
        return invoice
    totals = Totals.of([(line.tax_rate, line.net_minor) for line in invoice.lines], balance_minor=invoice.balance_minor)
    taxed = zip(invoice.lines, totals.taxes_minor, strict=True)
    amounts = {
        "lines": [line.model_copy(update={"tax_minor": tax_minor}) for line, tax_minor in taxed],
        "subtotal_minor": totals.subtotal_minor,
        "total_minor": totals.total_minor,
        "balance_applied_minor": totals.balance_applied_minor,
        "amount_due_minor": totals.amount_due_minor,
    }
    return invoice.model_copy(update=amounts)


def taxes(lines: Sequence[tuple[Decimal, int]]) -> list[int]:
    """The tax of each line, given its rate and net amount.

    Tax is rounded once a rate, on the sum of its lines (BR-CO-17); the lines share it by largest remainder, so that
    they add up to it and none is off by a whole unit.
    """
    shares = [0] * len(lines)
    ordered = sorted(range(len(lines)), key=lambda position: lines[position][0])
    for rate, positions in groupby(ordered, key=lambda position: lines[position][0]):
        of_rate = list(positions)
        exact = [product(rate, lines[position][1]) for position in of_rate]
        for position, share in zip(of_rate, shared(rounded(total(exact)), exact), strict=True):
            shares[position] = share
    return shares


def by_rate(lines: Sequence[Taxed]) -> list[Taxed]:
    """The net amount and tax of each rate, lowest rate first."""
    ordered = sorted(lines, key=lambda line: line.rate)
    groups = [(rate, list(group)) for rate, group in groupby(ordered, key=lambda line: line.rate)]
    return [
        Taxed(rate, sum(line.net_minor for line in group), sum(line.tax_minor for line in group))
        for rate, group in groups
    ]


def number(*, series: str, year: int, position: int) -> str:
    """The number of the `position`th invoice of a series in a year: `INV-2026-000001`."""
    return f"{series}-{year}-{position:06d}"


def shared(whole: int, exact: Sequence[Decimal]) -> list[int]:
    """`whole` in integer parts, each less than 1 away from its exact one (largest remainder)."""
    floors = [int(part.to_integral_value(ROUND_FLOOR)) for part in exact]
    remainders = [part - floor for part, floor in zip(exact, floors, strict=True)]
    largest_first = sorted(range(len(exact)), key=lambda position: -remainders[position])
    for position in largest_first[: whole - sum(floors)]:
        floors[position] += 1
    return floors
