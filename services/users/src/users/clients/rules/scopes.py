"""What a machine client may be allowed, and what it gets of that."""

from collections.abc import Collection

from users.accounts.models import Role
from users.accounts.rules import scopes_of

# Those that people have by their roles: a machine is given no more than somebody could do.
KNOWN = scopes_of(Role)


def granted(asked: str | None, *, allowed: Collection[str]) -> frozenset[str] | None:
    """The scopes of a token: those asked for, or else all; None if one of them is not allowed (RFC 6749, section 3.3).

    Never less than asked for: a client that works with a part of it would fail later, and elsewhere.
    """
    wanted = frozenset(allowed if asked is None else asked.split(" "))
    return wanted if wanted <= frozenset(allowed) else None
