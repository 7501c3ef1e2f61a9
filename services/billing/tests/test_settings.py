"""What billing can be told, and what it refuses."""

import re
from typing import Any

import pytest

from billing.settings import LOCAL_WEBHOOK_SECRET, Settings
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
    "webhooks": {"secret": "whsec_9b3f0c7d1e5a48268f04c2e6a7d1b395"},
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


def test_in_production_webhooks_are_signed_with_a_secret_of_its_own():
    with pytest.raises(ConfigurationError) as refused:
        Settings(**PRODUCTION | {"webhooks": {}})
    assert re.findall(r"^(\S+) is missing\.$", str(refused.value), re.MULTILINE) == ["BILLING_WEBHOOKS__SECRET"]
    for name in ("secret", "previous_secret"):
        published = merged(PRODUCTION, {"webhooks": {name: LOCAL_WEBHOOK_SECRET}})
        with pytest.raises(ConfigurationError, match="which everyone can read in the source") as refused:
            Settings(**published)
        assert LOCAL_WEBHOOK_SECRET not in str(refused.value)


def test_a_laptop_sells_as_nobody_and_moves_no_money():
    laptop = Settings(environment="local", database=PRODUCTION["database"])
    assert (laptop.provider, laptop.seller.name, laptop.seller.country) == ("sandbox", "Example Ltd", "NL")


def test_the_clock_can_be_moved_on_a_laptop_and_elsewhere_where_it_is_said():
    assert Settings(environment="local", database=PRODUCTION["database"]).test_clock
    assert [Settings(**PRODUCTION | given).test_clock for given in ({}, {"test_clock": True})] == [False, True]


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"provider": "paypal"}, "BILLING_PROVIDER"),
        ({"invoice_series": "inv-"}, "BILLING_INVOICE_SERIES"),
        ({"invoice_series": ""}, "BILLING_INVOICE_SERIES"),
        ({"provider_timeout_s": 0}, "BILLING_PROVIDER_TIMEOUT_S"),
        ({"provider_timeout_s": 11}, "BILLING_PROVIDER_TIMEOUT_S"),
        ({"webhooks": {"secret": "x" * 31}}, "BILLING_WEBHOOKS__SECRET"),
        ({"webhooks": {"secret": "x" * 201}}, "BILLING_WEBHOOKS__SECRET"),
        ({"webhooks": {"previous_secret": ""}}, "BILLING_WEBHOOKS__PREVIOUS_SECRET"),
        ({"settle_after_s": -1}, "BILLING_SETTLE_AFTER_S"),
        ({"seller": {"name": ""}}, "BILLING_SELLER__NAME"),
        ({"seller": {"country": "Netherlands"}}, "BILLING_SELLER__COUNTRY"),
        ({"seller": {"iban": "x"}}, "BILLING_SELLER__IBAN"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(change, variable):
    with pytest.raises(ConfigurationError, match=variable):
        Settings(**merged(PRODUCTION, change))
