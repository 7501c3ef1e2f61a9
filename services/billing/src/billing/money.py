"""Money, exactly: integer minor units of a currency, decimals before the one rounding that a line has."""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, FloatOperation, Inexact, InvalidOperation, Overflow
from functools import reduce
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

# ISO 4217, the active currencies that are money (no metals, units of account or test codes), by digits after the point.
_CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
        CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
        KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
        NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
        TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
}
EXPONENTS = {code: digits for digits, codes in _CURRENCIES.items() for code in codes.split()}

# What PostgreSQL's bigint holds.
AMOUNT_MAX = 2**63 - 1
# What every JSON client reads exactly (RFC 8259, section 6): an invoice or a balance comes to no more.
AMOUNT_MINOR_MAX = 2**53 - 1
# With at most 100 000 pieces and a tax of 100 %, a line of such a price is a number that every JSON client reads
# exactly: below 2**53 (RFC 8259, section 6).
UNIT_AMOUNT_MAX = Decimal(10**10)
UNIT_AMOUNT_PLACES = 12
QUANTITY_MAX = 100_000
RATE_PLACES = 6

_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")

# 60 digits hold every product here without rounding; were that ever wrong, it would be an error and not a cent.
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow, FloatOperation])
# Half away from zero, which Python calls half up (EN 16931, and the tables in billing's tests).
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation])


def rounded(exact: Decimal) -> int:
    """The nearest integer; halves go away from zero, below zero too."""
    return int(exact.quantize(Decimal(1), context=_ROUNDING))


def product(*factors: Decimal | int) -> Decimal:
    """The exact product.

    Raises:
        decimal.Inexact: it has more than 60 digits.
    """
    return reduce(_EXACT.multiply, factors, Decimal(1))


def total(exact: Iterable[Decimal]) -> Decimal:
    """The exact sum.

    Raises:
        decimal.Inexact: it has more than 60 digits.
    """
    return reduce(_EXACT.add, exact, Decimal(0))


def as_text(value: Decimal) -> str:
    """The shortest decimal notation: `12.1`, never `12.10` or `1.21E+1`."""
    return format(value.normalize(_EXACT), "f") if value else "0"


def _known(code: object) -> object:
    if not isinstance(code, str) or code not in EXPONENTS:
        raise PydanticCustomError("currency", "Input should be the code of a currency in ISO 4217, such as EUR")
    return code


def _decimal(text: object) -> Decimal:
    """A decimal out of text alone: a JSON number would have passed through a float."""
    if isinstance(text, Decimal):
        return text
    if isinstance(text, str) and _DECIMAL.fullmatch(text):
        return Decimal(text)
    raise PydanticCustomError("decimal_string", "Input should be a decimal number as a string, such as '12.5'")


def _shown_as(pattern: str, *, example: str) -> WithJsonSchema:
    """What OpenAPI says of a decimal; leading zeros beyond it are read all the same."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "examples": [example]})


DecimalText = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(as_text, return_type=str),
    _shown_as(_DECIMAL.pattern, example="12.5"),
]
UnitAmount = Annotated[
    DecimalText,
    Field(
        ge=0,
        le=UNIT_AMOUNT_MAX,
        decimal_places=UNIT_AMOUNT_PLACES,
        description="What one piece costs, in minor units: `12.12` of EUR is 12.12 cents.",
    ),
    _shown_as(r"10{10}(\.0{1,12})?|[0-9]{1,10}(\.[0-9]{1,12})?", example="12.5"),
]
# How many pieces an invoice line has; fewer than none take something back.
Quantity = Annotated[
    DecimalText,
    Field(ge=-QUANTITY_MAX, le=QUANTITY_MAX, decimal_places=UNIT_AMOUNT_PLACES),
    _shown_as(r"-?(10{5}(\.0{1,12})?|[0-9]{1,5}(\.[0-9]{1,12})?)", example="100"),
]
Rate = Annotated[
    DecimalText,
    Field(ge=0, le=1, decimal_places=RATE_PLACES, description="Added to the amount: `0.21` is 21 %."),
    _shown_as(r"1(\.0{1,6})?|0(\.[0-9]{1,6})?", example="0.21"),
]
# A type of its own, so that OpenAPI documents the codes once.
Currency = TypeAliasType(
    "Currency", Annotated[str, BeforeValidator(_known), Field(json_schema_extra={"enum": sorted(EXPONENTS)})]
)


class Money(BaseModel, frozen=True, extra="forbid"):
    """An amount as every answer and request has it: whole minor units; a fraction is refused."""

    amount: Annotated[StrictInt, Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX, description="Minor units.")]
    currency: Currency


def _something(amount: int) -> int:
    if not amount:
        raise PydanticCustomError("nothing", "The amount should be more or less than nothing")
    return amount


class NonzeroMoney(Money, frozen=True, extra="forbid"):
    """An amount of something, in either direction: nothing is refused."""

    amount: Annotated[
        StrictInt,
        Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX, description="Minor units.", json_schema_extra={"not": {"const": 0}}),
        AfterValidator(_something),
    ]


class PositiveMoney(Money, frozen=True, extra="forbid"):
    """An amount of something: what is nothing, or less, is refused."""

    amount: Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX, description="Minor units.")]
