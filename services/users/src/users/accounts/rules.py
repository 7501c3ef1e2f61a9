"""Decisions about accounts: what is one address, what a role may do."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from core.ids import format_id
from users.accounts.models import Role

# RFC 5321, section 4.5.3.1: octets of the local part, and of a path without its angle brackets.
LOCAL_PART_BYTES_MAX = 64
ADDRESS_BYTES_MAX = 254
# What core.mail takes: no display name, comment, quoted local part, list or encoded word.
_LOCAL_PART = re.compile(r"""(?!.*=\?)[^\s<>()\[\],;:"\\@]+""")
# RFC 1123, section 2.1, after IDNA; at least two labels, because mail of strangers goes to the internet.
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Mailbox(StrEnum):
    """Which of somebody's mailboxes a mail goes to: one that takes no mail any more holds up nothing for the others."""

    OWN = "mail"
    NEW = "mail/new"
    FORMER = "mail/former"


SCOPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        Role.USER: frozenset(),
        Role.SUPPORT: frozenset({"users:read", "billing:read", "audit:read"}),
        Role.ADMIN: frozenset(
            {"users:read", "billing:read", "audit:read", "users:write", "billing:write", "catalog:write"}
        ),
    }
)


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """What somebody with these roles may do beyond their own data."""
    return frozenset[str]().union(*(SCOPES[role] for role in roles))


def normalised(email: str) -> str:
    """The one spelling under which an address is registered and found: NFC, lower case, the domain in ASCII (IDNA).

    Raises:
        ValueError: this is not one bare address.
    """
    local, _, domain = unicodedata.normalize("NFC", email).lower().rpartition("@")
    try:
        host = domain.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    address = f"{local}@{host}"
    too_long = len(local.encode()) > LOCAL_PART_BYTES_MAX or len(address.encode()) > ADDRESS_BYTES_MAX
    if too_long or not _LOCAL_PART.fullmatch(local) or not local.isprintable() or not _DOMAIN.fullmatch(host):
        raise ValueError("this is not an address such as name@example.com")
    return address


def mail_subject_of(user_id: UUID, mailbox: Mailbox = Mailbox.OWN) -> str:
    """The subject of events that send mail: order holds per subject, and no other event waits for a mail server."""
    return f"{format_id('usr', user_id)}/{mailbox}"
