"""What the API takes about changes of an address."""

from pydantic import BaseModel

from users.accounts.schemas import EmailAddress, OneTimeToken, Password


class EmailChangeRequest(BaseModel, extra="forbid"):
    """The address that an account is to have."""

    new_email: EmailAddress
    current_password: Password


class EmailChangeConfirmation(BaseModel, extra="forbid"):
    """A token out of a mail to that address."""

    token: OneTimeToken
