"""Decisions about passwords: which one is too easy to guess."""

import re
from collections.abc import Collection, Iterable

# Shorter words are part of too many others.
WORD_CHARACTERS_MIN = 3
# Less than this, beside words that anybody would try first, adds nothing to guess.
REST_CHARACTERS_MIN = 6
LISTED = "It is on a list of passwords that have leaked, which is what others would try first."


def context_of(*, address: str, name: str | None) -> set[str]:
    """What an attacker who knows the person would put into a password first."""
    return set(re.split(r"[@.\W]+", f"{address} {name or ''}")) | {address}


def weakness(
    password: str, *, length_min: int, length_max: int, context: Iterable[str], common: Collection[str]
) -> str | None:
    """Why a password is too easy to guess, or None (ASVS 5.0, 6.2; NIST SP 800-63B-4, section 3.1.1.2).

    Any character counts, and none is required. `common` is what others try first, in lower case: passwords and words.
    """
    if not length_min <= len(password) <= length_max:
        return f"It must have {length_min} to {length_max} characters; several words make a good one."
    rest = password.casefold()
    words = {word.casefold() for word in context} | set(common)
    for word in sorted((each for each in words if len(each) >= WORD_CHARACTERS_MIN), key=len, reverse=True):
        rest = rest.replace(word, "")
    if len(rest) < REST_CHARACTERS_MIN:
        return "It is one of the first that others would try: it consists of common words or of what is known of you."
    return None
