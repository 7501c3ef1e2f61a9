"""How long to wait before what failed is tried again."""

import secrets

# A draw from the generator that the process shares would disturb who repeats its draws, such as a test that fuzzes.
_random = secrets.SystemRandom()


def backoff_s(failures: int, *, first_s: float, max_s: float) -> float:
    """Seconds after so many failures in a row (one at least): twice as long each time, up to `max_s`.

    Spread over the upper half of that, so that what failed together does not come back together.
    """
    # No pause doubles so often, and a float would overflow.
    bound_s = min(first_s * 2 ** min(failures - 1, 64), max_s)
    return bound_s * _random.uniform(0.5, 1.0)
