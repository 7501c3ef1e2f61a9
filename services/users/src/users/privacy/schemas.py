"""What the API takes and gives about somebody's data."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from users.accounts.schemas import Password, UserRead
from users.privacy.service import Held
from users.sessions.schemas import SessionId


class ErasureRequest(BaseModel, extra="forbid"):
    """That it is really the owner of the account who asks."""

    current_password: Password


class ErasureRead(BaseModel):
    """What becomes of the account: nobody can sign in to it any more."""

    status: Literal["deleting"] = "deleting"
    erased_by: Annotated[datetime, Field(description="When nothing of it is left, at the latest.")]


class HeldUser(UserRead):
    """A user, with the times that are kept of them."""

    metadata: Annotated[dict[str, str], Field(validation_alias="metadata_")]
    address: Annotated[str | None, Field(description="The spelling of the address by which the account is found.")]
    updated_at: datetime
    deleting_at: datetime | None


class HeldSession(BaseModel):
    """A session, lasting or ended."""

    id: SessionId
    device_name: str | None
    user_agent: str | None
    ip: Annotated[str | None, Field(description="The network that it was started from.")]
    refresh_counter: Annotated[int, Field(description="How often it was refreshed.")]
    created_at: datetime
    rotated_at: Annotated[datetime, Field(description="When it was last refreshed.")]
    idle_expires_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class HeldOneTimeToken(BaseModel):
    """A token that was sent by mail and has not been used; the token itself is not kept."""

    purpose: str
    new_email: str | None
    created_at: datetime
    expires_at: datetime


class HeldFormerAddress(BaseModel):
    """An address that was the user's, until the mail that says so has left."""

    email: str
    created_at: datetime


class HeldAuditEvent(BaseModel):
    """What its owner did to the account, or somebody else did."""

    occurred_at: datetime
    action: str
    actor: str
    subject: str
    request_id: str | None
    details: dict[str, Any]


class Export(BaseModel):
    """All that this service holds of its caller, but for what proves it is them: passwords and tokens."""

    user: HeldUser
    password_changed_at: datetime | None
    sessions: list[HeldSession]
    one_time_tokens: list[HeldOneTimeToken]
    former_addresses: list[HeldFormerAddress]
    audit_events: list[HeldAuditEvent]

    @classmethod
    def of(cls, held: Held) -> "Export":
        """All of it."""
        return cls.model_validate(held, from_attributes=True)
