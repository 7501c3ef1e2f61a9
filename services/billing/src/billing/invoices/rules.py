"""The arithmetic and the numbers of invoices (EN 16931: BR-CO-10, 14, 15, 17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby

from billing.money import product, rounded, total


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


def taxes(lines: Sequence[tuple[Decimal, int]]) -> list[int]:
    """The tax of each line, given its rate and net amount.

    Tax is rounded once a rate, on the sum of its lines (BR-CO-17); the lines share it by largest remainder, so that
    they add up to it and none is off by a whole unit.
    """
    shares = [0] * len(lines)
    by_rate = sorted(range(len(lines)), key=lambda position: lines[position][0])
    for rate, positions in groupby(by_rate, key=lambda position: lines[position][0]):
        of_rate = list(positions)
        exact = [product(rate, lines[position][1]) for position in of_rate]
        for position, share in zip(of_rate, _shared(rounded(total(exact)), exact), strict=True):
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


def _shared(whole: int, exact: Sequence[Decimal]) -> list[int]:
    """`whole` in integer parts, each less than 1 away from its exact one (largest remainder)."""
    floors = [int(part.to_integral_value(ROUND_FLOOR)) for part in exact]
    remainders = [part - floor for part, floor in zip(exact, floors, strict=True)]
    largest_first = sorted(range(len(exact)), key=lambda position: -remainders[position])
    for position in largest_first[: whole - sum(floors)]:
        floors[position] += 1
    return floors
