"""Whether a secret key can be guessed, judged by shape alone."""

from itertools import pairwise

LENGTH_MIN = 32
# None of 200 000 random keys of 32 hexadecimal digits, the poorest that `LENGTH_MIN` lets in, had fewer.
DISTINCT_MIN = 8

# Published in this file: it signs what a laptop keeps, and nothing else accepts it.
LOCAL_SECRET_KEY = "local-only-0d6f3a51c8e24b97-never-in-production"  # noqa: S105 - published on purpose

_PLACEHOLDERS = ("change", "example", "insecure", "password", "placeholder", "secret")


def weakness(key: str) -> str | None:
    """Why `key` protects nothing, or None. Says nothing of the key itself, so that the answer may be printed."""
    if key == LOCAL_SECRET_KEY:
        return "it is the key of the environment local, which everyone can read in the source"
    if len(key) < LENGTH_MIN:
        return f"it is shorter than {LENGTH_MIN} characters"
    if any(word in key.lower() for word in _PLACEHOLDERS):
        return "it reads like a placeholder"
    steps = {ord(after) - ord(before) for before, after in pairwise(key)}
    if min(len(set(key)), len(steps)) < DISTINCT_MIN or _repeats(key):
        return "it repeats itself"
    return None


def _repeats(key: str) -> bool:
    return any(key[period:] == key[:-period] for period in range(1, len(key) // 2 + 1))
