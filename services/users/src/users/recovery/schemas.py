"""What the API takes about passwords that are replaced."""

from pydantic import BaseModel, SecretStr, ValidationInfo, field_validator

from users.accounts.schemas import EmailAddress, OneTimeToken, Password


class PasswordResetRequest(BaseModel, extra="forbid"):
    """An address whose owner has forgotten the password."""

    email: EmailAddress


class PasswordReset(BaseModel, extra="forbid"):
    """A token out of a mail, and the password that counts from now on."""

    token: OneTimeToken
    new_password: Password


class PasswordChange(BaseModel, extra="forbid"):
    """The password that counts, and the one that counts from now on."""

    current_password: Password
    new_password: Password

    @field_validator("new_password", mode="after")
    @classmethod
    def _is_another_one(cls, new_password: SecretStr, info: ValidationInfo) -> SecretStr:
        # Nobody may believe to have locked somebody out who knows the password still.
        if new_password == info.data.get("current_password"):
            raise ValueError("it is the current password")
        return new_password
