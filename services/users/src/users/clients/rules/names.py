"""How machine clients are called, by operators and in tokens."""

import re
from uuid import UUID

from core.ids import format_id, parse_id

PREFIX = "svc"
NAME_CHARACTERS_MAX = 64
# No underscore, which every id has: where an operator may write either, a name is never an id.
_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


def is_name(text: str) -> bool:
    """Whether a client may be called so: `nightly-export`."""
    return len(text) <= NAME_CHARACTERS_MAX and _NAME.fullmatch(text) is not None


def client_id_of(client: UUID) -> str:
    """`svc_…`: the `client_id` of a client, and the `sub` of its tokens."""
    return format_id(PREFIX, client)


def client_of(client_id: str) -> UUID | None:
    """The client of a `client_id`; None for what is none."""
    try:
        return parse_id(PREFIX, client_id)
    except ValueError:
        return None
