"""What the API takes and gives about accounts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from core.ids import TypeId
from core.web.text import SecretText
from users.accounts.models import User
from users.accounts.repository import UserRow
from users.accounts.rules import ADDRESS_BYTES_MAX, normalised

UserId = Annotated[UUID, TypeId("usr")]
StatusName = Literal["pending", "active", "suspended", "deleting", "erased"]
RoleName = Literal["user", "support", "admin"]


def _one_address(email: str) -> str:
    """As it was typed; refused if it is not one address."""
    normalised(email)
    return email


EmailAddress = Annotated[
    str,
    Field(max_length=ADDRESS_BYTES_MAX, examples=["ada@example.com"], json_schema_extra={"format": "email"}),
    AfterValidator(_one_address),
]
# A bound for the sake of a bound: which passwords are accepted is the settings' to say.
Password = Annotated[SecretText, Field(max_length=4_096)]
# BCP 47, as far as anybody writes it.
Locale = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", examples=["en-GB"])]
OneTimeToken = Annotated[SecretText, Field(min_length=1, max_length=200)]


class Accepted(BaseModel):
    """The same whatever happens next: whether there is an account is told by mail, to the owner of the address."""

    status: Literal["accepted"] = "accepted"


class UserRead(BaseModel):
    """A user, as they and those who administer them see it."""

    id: UserId
    email: str | None
    status: StatusName
    roles: list[RoleName]
    name: str | None
    locale: str | None
    version: int
    created_at: datetime
    verified_at: datetime | None

    @classmethod
    def of(cls, user: User | UserRow) -> "UserRead":
        """What the API shows of a user."""
        return cls.model_validate(user, from_attributes=True)
