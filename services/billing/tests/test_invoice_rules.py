"""The arithmetic of invoices, held against numbers that others published."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices.rules import LINES_MAX, Item, Taxed, Totals, are_too_large, by_rate, number, taxes
from billing.money import rounded

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def item(quantity, unit_amount, tax_rate="0"):
    """A line; `unit_amount` in minor units."""
    return Item(
        description="",
        quantity=Decimal(quantity),
        unit_amount=Decimal(unit_amount),
        tax_rate=Decimal(tax_rate),
        period_start=NOW,
        period_end=NOW,
    )


def totals(*items):
    """Net, tax and gross, and the tax of each rate."""
    nets = [each.net_minor for each in items]
    shares = taxes([(each.tax_rate, each.net_minor) for each in items])
    rates = by_rate([Taxed(each.tax_rate, net, tax) for each, net, tax in zip(items, nets, shares, strict=True)])
    return sum(nets), sum(shares), sum(nets) + sum(shares), rates


# ubl-tc434-example1.xml of EN 16931: quantity, price in euro, tax rate in per cent.
EN_16931_EXAMPLE_1 = """
2 9.95 6 | 1 9.85 6 | 1 8.29 6 | 2 7.23 6 | 1 35.00 6 | 1 35.00 6 | 1 10.65 6 | 1 1.55 6 | 3 4.79 6 | 1 8.29 6
2 8.29 6 | 1 9.95 6 | 2 1.65 6 | 1 10.80 21 | 1 3.90 6 | 2 3.80 21 | 2 4.67 21 | 1 18.63 21 | 6 17.02 6 | -6 18.33 6
"""


def test_the_first_example_of_en_16931_with_its_two_rates_and_a_negative_line():
    lines = [line.split() for row in EN_16931_EXAMPLE_1.strip().splitlines() for line in row.split("|")]
    items = [item(quantity, Decimal(price) * 100, Decimal(rate) / 100) for quantity, price, rate in lines]
    net, _, gross, rates = totals(*items)
    assert len(items) == 20
    assert rates == [Taxed(Decimal("0.06"), 18323, 1099), Taxed(Decimal("0.21"), 4637, 974)]
    assert (net, gross) == (22960, 25033)


@pytest.mark.parametrize(
    ("items", "net", "tax", "gross"),
    [
        ([item(100, "12.12", "0.25")], 1212, 303, 1515),  # EN 16931 sample: 100 at 0.1212
        (
            [item(7, 40000, "0.25"), item(-3, 50000, "0.25"), item(1, 2500, "0.25")],
            132500,
            33125,
            165625,
        ),  # Peppol base
        ([item(55, "6.7")], 369, 0, 369),  # killbill#1124: 55 at 0.067 are 3.685
        ([item(1, net, "0.2") for net in (6833, 6833, 5750, 8500)], 27916, 5583, 33499),  # lago-api#2643
        ([item(1, 0)], 0, 0, 0),
        ([item(-1, "0.5")], -1, 0, -1),
        # Half-even would say 2 and 0; line by line, the tax would be 1 each.
        ([item(1, "2.5")], 3, 0, 3),
        ([item(1, "0.5")], 1, 0, 1),
        ([item(1, 5, "0.1"), item(1, 5, "0.1"), item(1, 5, "0.1")], 15, 2, 17),
    ],
)
def test_totals_are_those_that_others_published(items, net, tax, gross):
    assert totals(*items)[:3] == (net, tax, gross)


nets = st.integers(-(10**9), 10**9)
rates = st.sampled_from([Decimal(rate) for rate in ("0", "0.055", "0.06", "0.21", "0.255", "0.333333", "1")])
lines = st.lists(st.tuples(rates, nets), min_size=1, max_size=30)


@given(lines)
def test_the_tax_of_a_rate_is_rounded_once_and_shared_without_loss(lines):
    shares = taxes(lines)
    for rate in {rate for rate, _ in lines}:
        base = sum(net for other, net in lines if other == rate)
        shared = sum(share for share, (other, _) in zip(shares, lines, strict=True) if other == rate)
        assert shared == rounded(rate * base)


@given(lines)
def test_no_line_is_a_whole_unit_away_from_its_exact_tax(lines):
    for share, (rate, net) in zip(taxes(lines), lines, strict=True):
        assert abs(share - rate * net) < 1


@given(lines)
def test_the_rates_of_an_invoice_add_up_to_its_lines(lines):
    taxed = [Taxed(rate, net, share) for (rate, net), share in zip(lines, taxes(lines), strict=True)]
    grouped = by_rate(taxed)
    assert [each.rate for each in grouped] == sorted({rate for rate, _ in lines})
    assert sum(each.net_minor for each in grouped) == sum(net for _, net in lines)
    assert sum(each.tax_minor for each in grouped) == sum(taxes(lines))


quantities = st.decimals(-100_000, 100_000, places=3)
units = st.decimals(0, 10**6, places=12)


@given(quantities, units)
def test_a_line_is_its_quantity_times_its_unit_amount_rounded_once_half_away_from_zero(quantity, unit_amount):
    net, exact = item(quantity, unit_amount).net_minor, Fraction(quantity) * Fraction(unit_amount)
    assert abs(net) == int(abs(exact) + Fraction(1, 2))
    assert net == -item(-quantity, unit_amount).net_minor


@given(lines.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))), st.integers(0, 10**9))
def test_the_order_of_the_lines_changes_no_total(both, balance):
    one, other = (Totals.of(each, balance_minor=balance) for each in both)
    for name in ("subtotal_minor", "tax_minor", "total_minor", "balance_applied_minor", "amount_due_minor"):
        assert getattr(one, name) == getattr(other, name)


@given(lines, st.integers(0, 10**9))
def test_a_total_is_its_lines_and_their_tax_and_what_the_balance_does_not_pay_is_due(lines, balance):
    totals = Totals.of(lines, balance_minor=balance)
    assert totals.subtotal_minor == sum(net for _, net in lines)
    assert totals.total_minor == totals.subtotal_minor + sum(taxes(lines))
    assert totals.amount_due_minor == totals.total_minor - totals.balance_applied_minor
    # The balance is used up first, and what is less than nothing goes to it.
    assert totals.amount_due_minor == max(0, totals.total_minor - balance)
    assert balance - totals.balance_applied_minor == max(0, balance - totals.total_minor)


@given(st.lists(st.tuples(rates, st.integers(-(10**15), 10**15)), max_size=12))
def test_an_invoice_that_is_not_too_large_has_no_amount_that_is(lines):
    if not are_too_large(lines):
        totals = Totals.of(lines, balance_minor=0)
        bases = (sum(net for rate, net in lines if rate == each) for each, _ in lines)
        assert max(map(abs, (totals.subtotal_minor, totals.tax_minor, totals.total_minor, *bases))) < 2**53


@pytest.mark.parametrize(
    ("lines", "is_too_large"),
    [
        ([(Decimal(0), 1)] * LINES_MAX, False),
        ([(Decimal(0), 1)] * (LINES_MAX + 1), True),
        ([(Decimal(0), 2**53 - 2)], False),
        ([(Decimal(0), 2**53 - 1)], True),
        ([(Decimal(1), 2**52 - 1)], False),
        ([(Decimal(1), 2**52)], True),
        ([(Decimal(0), 2**52), (Decimal(0), -(2**52))], True),
    ],
)
def test_an_invoice_holds_so_much_and_no_more(lines, is_too_large):
    assert are_too_large(lines) == is_too_large


def test_a_number_names_its_series_and_its_year():
    assert number(series="INV", year=2026, position=1) == "INV-2026-000001"
    assert number(series="INV", year=2026, position=1_000_000) == "INV-2026-1000000"
