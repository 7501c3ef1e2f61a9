"""`/_dev/api/mail`: the mail that every service has sent, newest first."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from fastapi import Depends, Query
from pydantic import BaseModel

from core.mail import Delivered, read_folder
from core.routing import Router, public
from gateway.developer.access import this_machine_only


class MessageRead(BaseModel):
    """One message; `token` is what its text asks to be typed in."""

    to: str
    subject: str
    text: str
    token: str | None
    sent_at: datetime

    @classmethod
    def of(cls, delivered: Delivered) -> Self:
        """The wire shape of a file in the folder."""
        message = delivered.message
        return cls(
            to=message.to, subject=message.subject, text=message.text, token=message.token, sent_at=delivered.sent_at
        )


class Mailbox(BaseModel):
    """The messages, newest first."""

    data: list[MessageRead]


class MailboxQuery(BaseModel, extra="forbid"):
    """Whose mail; everybody's if not given."""

    to: str | None = None


def mailbox_router(folder: Path) -> Router:
    """The mailbox over a folder of messages."""
    router = Router(prefix="/_dev/api/mail", tags=["mail"], dependencies=[Depends(this_machine_only)])

    # There is no user of a laptop but whoever sits at it, whom the router's dependency knows.
    @router.get("", include_in_schema=False)
    @public
    async def list_mail(query: Annotated[MailboxQuery, Query()]) -> Mailbox:
        messages = await asyncio.to_thread(read_folder, folder, to=query.to)
        return Mailbox(data=[MessageRead.of(delivered) for delivered in messages])

    return router
