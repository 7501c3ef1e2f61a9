"""What credit notes may take back, their tax and where it goes: examples, and properties of every sequence of notes."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.credit_notes.rules import Creditable, Uses, is_left, taxes, uses
from billing.invoices.rules import taxes as invoice_taxes


def line(net_minor, rate="0.2", *, credited=0, credited_tax=0):
    return Creditable(uuid4(), "Chairs", Decimal(rate), net_minor, credited, credited_tax)


def after(lines, nets, tax):
    """The same lines when this much more has been taken back of them."""
    return [
        replace(
            each,
            credited_net_minor=each.credited_net_minor + nets.get(each.line_id, 0),
            credited_tax_minor=each.credited_tax_minor + tax.get(each.line_id, 0),
        )
        for each in lines
    ]


def test_the_tax_of_each_note_is_what_all_of_them_owe_less_what_was_taken_back_before():
    lines, totals = [line(net) for net in (6833, 6833, 5750, 8500)], []
    for position in (0, 2, 3, 1):
        nets = {lines[position].line_id: lines[position].net_minor}
        tax = taxes(lines, nets)
        lines = after(lines, nets, tax)
        totals.append(sum(nets.values()) + sum(tax.values()))
    # lago-api#2643.
    assert totals == [8200, 6900, 10200, 8199]
    assert sum(totals) == 33499


IS_LEFT = [
    pytest.param([line(100)], [100], True, id="all of it"),
    pytest.param([line(100)], [101], False, id="more than the line"),
    pytest.param([line(100, credited=60)], [40], True, id="the rest"),
    pytest.param([line(100, credited=60)], [41], False, id="more than the rest"),
    pytest.param([line(100)], [-1], False, id="the other way"),
    pytest.param([line(100, credited=60)], [-60], False, id="a note taken back by a note"),
    pytest.param([line(100)], [0], False, id="nothing of a line"),
    pytest.param([line(0)], [1], False, id="something of nothing"),
    pytest.param([line(100), line(-40)], [100, -40], True, id="all, discount included"),
    pytest.param([line(100), line(-40)], [100], False, id="all but the discount"),
    pytest.param([line(100), line(-40)], [60], True, id="as much as there is"),
    pytest.param([line(100), line(-40)], [61], False, id="a cent more than there is"),
    pytest.param([line(100), line(-40)], [100, -41], False, id="more than the discount"),
    pytest.param([line(100, "0.1"), line(-40, "0.2")], [100], True, id="of each rate apart"),
    pytest.param([line(100, "0.1"), line(-40, "0.2")], [100, -40], True, id="a rate below zero"),
]


@pytest.mark.parametrize(("lines", "amounts", "expected"), IS_LEFT)
def test_no_more_is_taken_back_than_there_is_of_a_line_and_of_a_rate(lines, amounts, expected):
    nets = {each.line_id: amount for each, amount in zip(lines, amounts, strict=False)}
    assert is_left(lines, nets) is expected


USES = [
    # total, remaining, refund, credit: applied, credit, refund
    ((100, 0, None, None), Uses(0, 100, 0)),
    ((100, 0, 100, None), Uses(0, 0, 100)),
    ((100, 0, 30, None), Uses(0, 70, 30)),
    ((100, 0, None, 30), Uses(0, 30, 70)),
    ((100, 0, None, 0), Uses(0, 0, 100)),
    ((100, 0, 40, 60), Uses(0, 60, 40)),
    ((100, 0, 40, 59), None),
    ((100, 0, 101, None), None),
    ((100, 0, None, 101), None),
    ((100, 0, -1, None), None),
    ((100, 0, None, -1), None),
    ((100, 0, -1, 101), None),
    ((100, 300, None, None), Uses(100, 0, 0)),
    ((100, 300, 0, 0), Uses(100, 0, 0)),
    ((100, 300, 1, None), None),
    ((100, 60, None, None), Uses(60, 40, 0)),
    ((100, 60, 40, None), Uses(60, 0, 40)),
    ((100, 60, 100, None), None),
]


@pytest.mark.parametrize(("said", "expected"), USES)
def test_a_total_goes_off_what_is_owed_first_and_the_rest_where_it_is_said(said, expected):
    total, remaining, refund, credit = said
    assert uses(total, remaining_minor=remaining, refund_minor=refund, credit_minor=credit) == expected


RATES = st.sampled_from(["0", "0.055", "0.06", "0.19", "0.2", "0.21", "1"])
INVOICES = st.lists(
    st.tuples(st.integers(-3_000, 10_000).filter(bool), RATES).map(lambda each: line(*each)), min_size=1, max_size=5
)


def noted(data, lines):
    """The net amounts of another note, which may ask for a little too much."""
    nets = {}
    for each in data.draw(st.lists(st.sampled_from(lines), unique=True, min_size=1)):
        rest = each.net_minor - each.credited_net_minor
        amount = data.draw(st.one_of(st.just(rest), st.integers(min(rest, 0) - 1, max(rest, 0) + 1)))
        nets[each.line_id] = amount
    return nets


@given(INVOICES, st.data())
def test_whatever_is_taken_back_the_notes_never_come_to_more_than_the_invoice(lines, data):
    for _ in range(data.draw(st.integers(1, 6))):
        nets = noted(data, lines)
        if is_left(lines, nets):
            lines = after(lines, nets, taxes(lines, nets))
    for each in lines:
        assert 0 <= each.credited_net_minor * (1 if each.net_minor > 0 else -1) <= abs(each.net_minor)
    for rate in {each.tax_rate for each in lines}:
        of_rate = [each for each in lines if each.tax_rate == rate]
        invoiced = sum(invoice_taxes([(rate, each.net_minor) for each in of_rate]))
        credited = sum(each.credited_tax_minor for each in of_rate)
        assert min(invoiced, 0) <= credited <= max(invoiced, 0)


@given(INVOICES, st.data())
def test_the_note_that_takes_back_the_rest_brings_the_tax_to_that_of_the_invoice(lines, data):
    for _ in range(data.draw(st.integers(0, 5))):
        nets = noted(data, lines)
        if is_left(lines, nets):
            lines = after(lines, nets, taxes(lines, nets))
    rest = {each.line_id: each.net_minor - each.credited_net_minor for each in lines}
    rest = {line_id: net for line_id, net in rest.items() if net}
    assert is_left(lines, rest)
    lines = after(lines, rest, taxes(lines, rest))
    assert sum(each.credited_net_minor for each in lines) == sum(each.net_minor for each in lines)
    invoiced = sum(invoice_taxes([(each.tax_rate, each.net_minor) for each in lines]))
    assert sum(each.credited_tax_minor for each in lines) == invoiced


@given(INVOICES, st.data())
def test_each_line_of_a_note_bears_its_tax_to_less_than_a_cent(lines, data):
    nets = noted(data, lines)
    if is_left(lines, nets):
        for line_id, tax in taxes(lines, nets).items():
            rate = next(each.tax_rate for each in lines if each.line_id == line_id)
            assert abs(tax - rate * nets[line_id]) < 1
