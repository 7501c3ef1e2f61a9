"""Decisions about accounts: what is one address, which password is too weak, what a role may do, what a mail says."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from core.mail import Message
from users.accounts.models import Role

# RFC 5321, section 4.5.3.1: octets of the local part, and of a path without its angle brackets.
LOCAL_PART_BYTES_MAX = 64
ADDRESS_BYTES_MAX = 254
# The characters that core.mail takes: no display name, comment, quoted local part or list.
_LOCAL_PART = re.compile(r"""[^\s<>()\[\],;:"\\@]+""")
# RFC 1123, section 2.1, after IDNA; at least two labels, because mail of strangers goes to the internet.
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

# Shorter words are part of too many others.
WORD_CHARACTERS_MIN = 3
# Less than this, beside words that anybody would try first, adds nothing to guess.
REST_CHARACTERS_MIN = 6

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


def verification_mail(*, to: str, token: str, hours: int) -> Message:
    """What asks the owner of an address to prove it."""
    text = (
        "Somebody, most likely you, has registered with this address.\n\n"
        f"To confirm it, use this token within {hours} hours:\n\n{token}\n\n"
        "If it was not you, do nothing: without the token, nobody can sign in."
    )
    return Message(to, "Confirm your address", text, token)


def registration_notice(*, to: str) -> Message:
    """What tells the owner of an account that somebody tried to register with its address."""
    text = (
        "Somebody, perhaps you, has tried to register with this address, which already has an account.\n\n"
        "If it was you, sign in with the password that you have. "
        "If it was not, there is nothing to do: nothing has changed."
    )
    return Message(to, "You already have an account", text)
