"""What the API takes and gives about sessions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from core.ids import TypeId
from core.web.text import Line, SecretText
from users.accounts.schemas import EmailAddress, Password
from users.sessions.models import UserSession
from users.sessions.repository import SessionRow
from users.sessions.service import Grant

SessionId = Annotated[UUID, TypeId("ses")]


class SignIn(BaseModel, extra="forbid"):
    """What somebody proves themselves with."""

    email: EmailAddress
    password: Password
    device_name: Annotated[Line | None, Field(description="How the owner recognises this session in a list.")] = None


class Refresh(BaseModel, extra="forbid"):
    """The current refresh token of a session."""

    refresh_token: Annotated[SecretText, Field(max_length=200)]


class RevokeOthers(BaseModel, extra="forbid"):
    """What shows that the session is in the hands of its owner."""

    current_password: Password


class OthersRevoked(BaseModel):
    """How many sessions were ended."""

    revoked: int


class SessionRead(BaseModel):
    """A session, as its owner sees it."""

    id: SessionId
    current: bool
    device_name: str | None
    user_agent: str | None
    ip: Annotated[str | None, Field(description="The network that it was started from.")]
    created_at: datetime
    last_used_at: datetime
    expires_at: Annotated[datetime, Field(description="When it ends, unless it is refreshed before.")]

    @classmethod
    def of(cls, session: UserSession | SessionRow, *, current: UUID | None) -> "SessionRead":
        """What the API shows of a session; `current` is the caller's."""
        return cls(
            id=session.id,
            current=session.id == current,
            device_name=session.device_name,
            user_agent=session.user_agent,
            ip=session.ip,
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.idle_expires_at,
        )


class TokenPair(BaseModel):
    """An access token, and the refresh token that gets the next one; the member names are those of RFC 6749."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_in: Annotated[int, Field(description="Seconds for which the access token is valid.")]
    refresh_token: str

    @classmethod
    def of(cls, grant: Grant) -> "TokenPair":
        """The tokens of a grant."""
        return cls(access_token=grant.access_token, expires_in=grant.expires_in_s, refresh_token=grant.refresh_token)


class SignedInRead(TokenPair):
    """The tokens of a new session, and the session."""

    session: SessionRead

    @classmethod
    def of(cls, grant: Grant) -> "SignedInRead":
        """A grant with its session."""
        session = SessionRead.of(grant.session, current=grant.session.id)
        return cls(**TokenPair.of(grant).model_dump(), session=session)
