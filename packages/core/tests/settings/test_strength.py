"""Which secret keys protect nothing."""

import secrets

import pytest

from core.settings.strength import LOCAL_SECRET_KEY, weakness


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (LOCAL_SECRET_KEY, "it is the key of the environment local, which everyone can read in the source"),
        ("", "it is shorter than 32 characters"),
        ("4c1d9f27ab03e85610fb72d9c84e5a1", "it is shorter than 32 characters"),
        ("change-me-4c1d9f27ab03e85610fb72d9", "it reads like a placeholder"),
        ("My-Secret-4c1d9f27ab03e85610fb72d9", "it reads like a placeholder"),
        ("a" * 40, "it repeats itself"),
        ("0123456789abcdefghijklmnopqrstuvwxyz", "it repeats itself"),
        ("4c1d9f27ab03e856" * 2, "it repeats itself"),
        ("4c1d9f27ab03e8" * 2 + "4c1d9f", "it repeats itself"),
        ("aabbaabababbbabbaababbabaabbababbb", "it repeats itself"),
        ("achzzhcaazhczcahhazcacczhazzahchcaz", "it repeats itself"),
    ],
)
def test_a_guessable_key_is_called_weak(key, reason):
    assert weakness(key) == reason


@pytest.mark.parametrize(
    "key",
    [secrets.token_urlsafe(48), secrets.token_hex(32), "4c1d9f27ab03e85610fb72d9c84e5a1b"],
    ids=["url-safe", "hexadecimal", "half as long"],
)
def test_a_random_key_is_not(key):
    assert weakness(key) is None
