"""What the settings refuse, and what they make of what is missing."""

from typing import Any

import pytest

from core.settings import ConfigurationError
from users.settings import Settings

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "public_url": "https://api.example.com/users",
    "database": {"url": "postgresql://users:pw@db/users"},
    "mail": {"url": "smtp://mail:587", "sender": "accounts@example.com"},
    "events": {"url": "nats://nats:4222"},
    "secret_key": "4f9c1e7ad0b35826f1c07e94ab6d2358",
}


def test_tokens_are_issued_under_the_public_url_unless_it_is_said_otherwise():
    assert Settings(**PRODUCTION).tokens.issuer == "https://api.example.com/users"
    issuer: dict[str, Any] = {"tokens": {"issuer": "https://id.example.com"}}
    assert Settings(**PRODUCTION | issuer).tokens.issuer == "https://id.example.com"


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("passwords", {"hash_memory_kib": 7_167, "hash_iterations": 20}),
        ("passwords", {"hash_iterations": 1}),
        ("passwords", {"hash_memory_kib": 8, "hash_parallelism": 2}),
        ("passwords", {"length_min": 14}),
        ("sessions", {"idle_days": 31}),
        ("sessions", {"access_token_lifetime_s": 3_601}),
        ("one_time_tokens", {"verification_hours": 0}),
    ],
)
def test_what_protects_nobody_is_refused_in_production(group, values):
    with pytest.raises(ConfigurationError, match=f"USERS_{group.upper()}"):
        Settings(**PRODUCTION | {group: values})


@pytest.mark.parametrize(("memory_kib", "iterations"), [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)])
def test_every_setting_that_owasp_lists_is_accepted(memory_kib, iterations):
    passwords = {"hash_memory_kib": memory_kib, "hash_iterations": iterations}
    assert Settings(**PRODUCTION | {"passwords": passwords}).passwords.hash_iterations == iterations
