"""Decides how long nobody may try an account after so many attempts."""


def waits_s(*, free: int, longest_s: int) -> list[int]:
    """Seconds to wait after the first attempt, the second, …; after any further one, as long as after the last listed.

    None before the last of the `free` ones; 1 s after that one, and twice as long after each next, up to `longest_s`.
    """
    growing = [min(2**doublings, longest_s) for doublings in range(longest_s.bit_length() + 1)]
    return [0] * (free - 1) + growing
