"""What the API takes about registrations."""

from pydantic import BaseModel

from core.web.text import Line
from users.accounts.schemas import EmailAddress, Locale, OneTimeToken, Password


class Registration(BaseModel, extra="forbid"):
    """Somebody who wants an account."""

    email: EmailAddress
    password: Password
    name: Line | None = None
    locale: Locale | None = None


class VerificationRequest(BaseModel, extra="forbid"):
    """An address that waits for a mail."""

    email: EmailAddress


class Confirmation(BaseModel, extra="forbid"):
    """A token out of a mail."""

    token: OneTimeToken
