"""What a rate limit and its storage may be, and that what lacks is said when the process starts."""

import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from core.settings import ConfigurationError, load
from core.settings.rates import ACCEPTED, rate
from core.settings.types import CountsUrl, Rate


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
