"""Amounts, prices and rounding: exact, and refused where they could not be."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from billing.money import (
    EXPONENTS,
    UNIT_AMOUNT_MAX,
    Currency,
    Money,
    Quantity,
    Rate,
    UnitAmount,
    as_text,
    product,
    rounded,
)


@pytest.mark.parametrize(
    ("exact", "whole"),
    [
        ("0.5", 1),
        ("-0.5", -1),
        ("1.5", 2),
        ("2.5", 3),
        ("-2.5", -3),
        ("2.4999999999999999999999999999999999999999", 2),
        ("-2.4999999999999999999999999999999999999999", -2),
        ("0", 0),
        ("368.5", 369),
        ("9007199254740991.5", 9007199254740992),
    ],
)
def test_a_half_is_rounded_away_from_zero(exact, whole):
    assert rounded(Decimal(exact)) == whole


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=12))
def test_rounding_is_symmetric_and_never_moves_more_than_a_half(exact):
    assert rounded(-exact) == -rounded(exact)
    assert abs(rounded(exact) - exact) <= Decimal("0.5")
    assert rounded(exact) == int(exact.to_integral_value(ROUND_HALF_UP))


@given(
    st.integers(1, 100_000),
    st.decimals(min_value=0, max_value=UNIT_AMOUNT_MAX, places=12),
    st.decimals(min_value=0, max_value=1, places=6),
)
def test_the_largest_line_with_its_tax_is_a_number_that_every_client_reads(quantity, unit_amount, rate):
    net = rounded(product(quantity, unit_amount))
    assert net + rounded(product(rate, net)) < 2**53


def test_a_product_that_does_not_fit_is_an_error_and_not_a_cent():
    with pytest.raises(ArithmeticError):
        product(Decimal("1." + "1" * 40), Decimal("1." + "1" * 40))


@pytest.mark.parametrize(
    ("value", "text"),
    [("1000", "1000"), ("12.10", "12.1"), ("0.121200000000", "0.1212"), ("1E+3", "1000"), ("0", "0"), ("-0.00", "0")],
)
def test_a_decimal_is_written_in_its_shortest_form(value, text):
    assert as_text(Decimal(value)) == text


@pytest.mark.parametrize("text", ["0", "1000", "12.12", "0.123456789012", "10000000000"])
def test_a_unit_amount_is_a_decimal_string(text):
    adapter = TypeAdapter(UnitAmount)
    assert adapter.dump_python(adapter.validate_python(text)) == text


NOT_EXACT = [12, 12.5, "", ".", "1.", ".5", "1e3", "NaN", "Infinity", "1_000", " 1", "+1", "\u0661", None, True]
NO_PRICE = ["-1", "0.1234567890123", "10000000000.000000000001", "9" * 1000]


@pytest.mark.parametrize("refused", [*NOT_EXACT, *NO_PRICE])
def test_a_unit_amount_that_is_not_exact_or_not_a_price_is_refused(refused):
    with pytest.raises(ValidationError):
        TypeAdapter(UnitAmount).validate_python(refused)


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "-0.000000000001", "100000", "-100000"])
def test_a_quantity_is_a_decimal_string_and_may_be_negative(text):
    adapter = TypeAdapter(Quantity)
    assert adapter.dump_python(adapter.validate_python(text)) == text


@pytest.mark.parametrize("refused", [*NOT_EXACT, "100000.1", "-100000.1", "1.0000000000001"])
def test_a_quantity_that_is_not_exact_or_too_many_is_refused(refused):
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(refused)


@pytest.mark.parametrize("refused", ["1.01", "-0.01", "0.1234567", 0.21, "21%"])
def test_a_rate_is_between_nothing_and_all_with_six_places(refused):
    with pytest.raises(ValidationError):
        TypeAdapter(Rate).validate_python(refused)


@pytest.mark.parametrize(("code", "digits"), [("JPY", 0), ("EUR", 2), ("KWD", 3), ("USD", 2), ("ISK", 0), ("TND", 3)])
def test_a_currency_has_the_digits_of_iso_4217(code, digits):
    assert EXPONENTS[TypeAdapter(Currency).validate_python(code)] == digits


@pytest.mark.parametrize("refused", ["eur", "EURO", "XXX", "XAU", "HRK", "", 978, None, [], {}])
def test_what_is_no_currency_is_refused(refused):
    with pytest.raises(ValidationError):
        TypeAdapter(Currency).validate_python(refused)


@pytest.mark.parametrize("refused", [12.5, 12.0, "12", True, None, 2**63, -(2**63)])
def test_an_amount_of_money_is_whole(refused):
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": refused, "currency": "EUR"})


def test_money_has_an_amount_and_a_currency_and_nothing_else():
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 1, "currency": "EUR", "exponent": 2})
    assert Money(amount=-1, currency="JPY").model_dump() == {"amount": -1, "currency": "JPY"}
