"""What a rate limit and its storage may be, and that what lacks is said when the process starts."""

import sys

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from core.settings import (
    ConfigurationError,
    Group,
    Limit,
    ServiceSettings,
    describe,
    env_example,
    load,
    variables,
)
from core.settings.rates import ACCEPTED, rate
from core.settings.types import CountsUrl, Rate

LIMIT = "EXAMPLE_LIMITS__MAKE"
COMPLETE = {
    "EXAMPLE_DATABASE__URL": "postgresql://u@db/d",
    "EXAMPLE_PUBLIC_URL": "https://api.example.com",
    "EXAMPLE_MAIL__URL": "smtp://mail",
    "EXAMPLE_MAIL__SENDER": "no-reply@example.com",
    "EXAMPLE_EVENTS__URL": "nats://bus",
    "EXAMPLE_SECRET_KEY": "q7Hk2vTz9LmXw4RbNs8YdJf3GpKc6WuAeVt5",
}


def refusal(kind, value):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return str(refused.value.errors()[0]["ctx"]["error"])


@pytest.mark.parametrize(
    ("text", "amount", "period_s"),
    [
        ("600/minute", 600, 60),
        ("1/second", 1, 1),
        ("10 per hour", 10, 3600),
        ("5/30 seconds", 5, 30),
        ("100/day", 100, 86_400),
        ("1000000/7 days", 1_000_000, 604_800),
    ],
)
def test_a_rate_is_read(text, amount, period_s):
    assert (rate(text).amount, rate(text).get_expiry()) == (amount, period_s)
    assert TypeAdapter(Rate).validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "often", "10", "0/minute", "-1/minute", "1.5/minute", "10/minute;100/hour", "10/week"),
        # Read by the library as one second, and as periods that nobody means.
        *("10/0 seconds", "10/month", "10/year", "10/8 days", "10/99999999 days"),
        "1000001/minute",
    ],
)
def test_what_is_no_rate_or_more_than_one_is_refused(text):
    assert refusal(Rate, text) == f"it is not {ACCEPTED}"


@pytest.mark.parametrize(("text", "limit"), [("30/minute", "30/minute"), ("150/5 minutes",) * 2, ("off", None)])
def test_a_limit_is_a_rate_or_off(text, limit):
    assert TypeAdapter(Limit).validate_python(text) == limit
    # What is copied from other settings is validated again.
    assert TypeAdapter(Limit).validate_python(limit) == limit


@pytest.mark.parametrize("text", ["", "often", "OFF", "none", "0/minute", "10/minute;100/hour"])
def test_what_is_neither_is_no_limit(text):
    assert refusal(Limit, text) == f"it is not {ACCEPTED}"


@pytest.mark.parametrize(
    ("environ", "limit", "shown", "origin"),
    [
        ({}, "600/minute", "600/minute", "default"),
        ({LIMIT: "150/5 minutes"}, "150/5 minutes", "150/5 minutes", "environment"),
        ({LIMIT: "off"}, None, "", "environment"),
        # Compose passes an empty text for a variable that is not set.
        ({LIMIT: ""}, "600/minute", "600/minute", "default"),
        ({"EXAMPLE_ENVIRONMENT": "local"}, None, "", "local default"),
        ({"EXAMPLE_ENVIRONMENT": "local", LIMIT: "5/minute"}, "5/minute", "5/minute", "environment"),
    ],
)
def test_a_limit_is_off_on_a_laptop_and_wherever_the_operator_says_so(service, environ, limit, shown, origin):
    loaded = load(service.settings, environ=COMPLETE | environ)
    assert loaded.settings.limits.make == limit
    [row] = [row for row in describe(loaded) if row.variable == LIMIT]
    assert (row.value, row.origin) == (shown, origin)


def test_a_limit_that_is_none_stops_the_boot_and_says_what_is_accepted(service):
    with pytest.raises(ConfigurationError) as refused:
        load(service.settings, environ=COMPLETE | {LIMIT: "often"})
    assert f"{LIMIT}=often (environment) is refused: it is not {ACCEPTED}." in str(refused.value)
    assert f"    Accepts: {ACCEPTED}, or off" in str(refused.value)
    assert "leave it out for 600/minute" in str(refused.value)


def test_the_page_and_the_example_of_a_service_list_a_limit_with_both_of_its_defaults(service):
    [variable] = [each for each in variables(service.settings) if each.name == LIMIT]
    assert (variable.accepts, variable.default, variable.local) == (f"{ACCEPTED}, or off", "600/minute", "off")
    assert f"#{LIMIT}=off\n" in env_example(service.settings)


def test_a_limit_is_shown_although_its_name_speaks_of_a_secret():
    class Limits(Group):
        password_reset: Limit = Field(default="20/hour", description="How often.")
        api_key: str = Field(default="hunter2", description="A secret.")

    class Settings(ServiceSettings, env_prefix="SHOWN_"):
        limits: Limits = Field(default=Limits(), description="Limits.")

    shown = {each.path: each.default for each in variables(Settings)}
    assert (shown["limits", "password_reset"], shown["limits", "api_key"]) == ("20/hour", "***")


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "redis://limits",
        "redis://limits:6379/2",
        "rediss://user:hunter2@limits.example.com:6380",
        "valkey://limits:6379/",
        "valkeys://limits:6379",
    ],
)
def test_a_storage_is_accepted(url):
    assert TypeAdapter(CountsUrl).validate_python(url).get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory://elsewhere",
        "memory:///file",
        "memcached://limits:11211",
        "async+memory://",
        "redis://",
        "redis://:6379",
        "redis://limits:6379/name",
        "redis://limits:6379?socket_timeout=never",
        "limits:6379",
    ],
)
def test_another_storage_is_refused(url):
    assert refusal(CountsUrl, url) == "it is neither memory:// nor valkey://host:port/number"


def test_without_what_speaks_to_the_storage_the_service_does_not_start(service, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkey", None)
    environ = {
        "EXAMPLE_ENVIRONMENT": "local",
        "EXAMPLE_DATABASE__URL": "postgresql://u@db/d",
        "EXAMPLE_RATE_LIMITS__STORAGE": "redis://user:hunter2-canary@limits:6379",
    }
    with pytest.raises(ConfigurationError) as refused:
        load(service.settings, environ=environ)
    assert "EXAMPLE_RATE_LIMITS__STORAGE" in str(refused.value)
    assert "is not installed: the service has to depend on core[valkey]" in str(refused.value)
    assert "canary" not in str(refused.value)
    # Nobody needs it who counts in the process.
    assert load(service.settings, environ=environ | {"EXAMPLE_RATE_LIMITS__STORAGE": "memory://"})
