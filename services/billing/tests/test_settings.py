"""What billing can be told, and what it refuses."""

import re
from typing import Any

import pytest

from billing.settings import Settings
from core.settings import ConfigurationError, merged

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "public_url": "https://api.example.com/billing",
    "database": {"url": "postgresql://billing:pw@db/billing"},
    "mail": {"url": "smtp://mail:587", "sender": "billing@example.com"},
    "events": {"url": "nats://nats:4222"},
    "secret_key": "4f9c1e7ad0b35826f1c07e94ab6d2358",
    "clients": {"users": {"url": "https://api.example.com/users"}},
    "provider": "sandbox",
    "seller": {"name": "Acme GmbH", "address": "Hauptstr. 1, 10115 Berlin", "country": "DE"},
}


def test_the_tokens_of_users_are_believed():
    assert Settings(**PRODUCTION).tokens.issuer == "https://api.example.com/users"


def test_in_production_it_must_be_said_where_users_is():
    with pytest.raises(ConfigurationError, match="BILLING_CLIENTS__USERS__URL"):
        Settings(**PRODUCTION | {"clients": {}})


def test_in_production_it_must_be_said_who_sells_and_who_moves_the_money():
    unsaid = {name: value for name, value in PRODUCTION.items() if name not in {"provider", "seller"}}
    with pytest.raises(ConfigurationError) as refused:
        Settings(**unsaid)
    missing = ("BILLING_PROVIDER", "BILLING_SELLER__NAME", "BILLING_SELLER__ADDRESS", "BILLING_SELLER__COUNTRY")
    assert re.findall(r"^(\S+) is missing\.$", str(refused.value), re.MULTILINE) == [*missing]


def test_a_laptop_sells_as_nobody_and_moves_no_money():
    laptop = Settings(environment="local", database=PRODUCTION["database"])
    assert (laptop.provider, laptop.seller.name, laptop.seller.country) == ("sandbox", "Example Ltd", "NL")


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"provider": "paypal"}, "BILLING_PROVIDER"),
        ({"invoice_series": "inv-"}, "BILLING_INVOICE_SERIES"),
        ({"invoice_series": ""}, "BILLING_INVOICE_SERIES"),
        ({"settle_after_s": -1}, "BILLING_SETTLE_AFTER_S"),
        ({"seller": {"name": ""}}, "BILLING_SELLER__NAME"),
        ({"seller": {"country": "Netherlands"}}, "BILLING_SELLER__COUNTRY"),
        ({"seller": {"iban": "x"}}, "BILLING_SELLER__IBAN"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(change, variable):
    with pytest.raises(ConfigurationError, match=variable):
        Settings(**merged(PRODUCTION, change))
