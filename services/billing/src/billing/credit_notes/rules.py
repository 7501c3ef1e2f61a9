"""What may be taken back of an invoice, its tax, and where it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from billing.invoices.rules import shared
from billing.money import product, rounded


@dataclass(frozen=True, slots=True)
class Creditable:
    """A line of an invoice, and what credit notes have taken back of it so far."""

    line_id: UUID
    description: str
    tax_rate: Decimal
    net_minor: int
    credited_net_minor: int
    credited_tax_minor: int


@dataclass(frozen=True, slots=True)
class Uses:
    """Where the total of a credit note goes, in minor units: off what is owed, to the balance, back to the payer."""

    applied_minor: int
    credit_minor: int
    refund_minor: int


def is_left(lines: Sequence[Creditable], nets: Mapping[UUID, int]) -> bool:
    """Whether so much may be taken back of these lines: no more than there is of any line, nor of any rate.

    A line below zero, such as a discount, is taken back by an amount below zero.
    """
    for line in lines:
        net = nets.get(line.line_id)
        if net is not None and not (net * line.net_minor > 0 and abs(_so_far(line, nets)) <= abs(line.net_minor)):
            return False
    return all(
        _is_part(sum(_so_far(line, nets) for line in of_rate), whole=sum(line.net_minor for line in of_rate))
        for of_rate in _by_rate(lines)
    )


def taxes(lines: Sequence[Creditable], nets: Mapping[UUID, int]) -> dict[UUID, int]:
    """The tax that is taken back with these net amounts, by line.

    Of each rate it is the rounded tax on all that was taken back so far, less what was taken back of it before: the
    last credit note brings it to what the invoice has, whatever their number.
    """
    of_lines = dict[UUID, int]()
    for of_rate in _by_rate(lines):
        rate = of_rate[0].tax_rate
        so_far = rounded(product(rate, sum(_so_far(line, nets) for line in of_rate)))
        whole = so_far - sum(line.credited_tax_minor for line in of_rate)
        wanted = [line.line_id for line in of_rate if line.line_id in nets]
        parts = shared(whole, [product(rate, nets[line_id]) for line_id in wanted])
        of_lines.update(zip(wanted, parts, strict=True))
    return of_lines


def uses(total_minor: int, *, remaining_minor: int, refund_minor: int | None, credit_minor: int | None) -> Uses | None:
    """Where a total goes: first off what remains to be paid, the rest as it is said, or to the balance.

    None: what is said does not add up to the rest.
    """
    applied_minor = min(total_minor, remaining_minor)
    rest_minor = total_minor - applied_minor
    if refund_minor is None:
        refund_minor = 0 if credit_minor is None else rest_minor - credit_minor
    if credit_minor is None:
        credit_minor = rest_minor - refund_minor
    if refund_minor < 0 or credit_minor < 0 or refund_minor + credit_minor != rest_minor:
        return None
    return Uses(applied_minor, credit_minor, refund_minor)


def _so_far(line: Creditable, nets: Mapping[UUID, int]) -> int:
    """What is taken back of a line with these amounts, and was before."""
    return line.credited_net_minor + nets.get(line.line_id, 0)


def _is_part(part_minor: int, *, whole: int) -> bool:
    return min(whole, 0) <= part_minor <= max(whole, 0)


def _by_rate(lines: Sequence[Creditable]) -> list[list[Creditable]]:
    ordered = sorted(lines, key=lambda line: line.tax_rate)
    return [list(of_rate) for _, of_rate in groupby(ordered, key=lambda line: line.tax_rate)]
