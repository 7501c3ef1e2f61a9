"""How a mail leaves: written in a transaction, and sent after its end, which no mail server holds up."""

from collections.abc import Awaitable, Callable

from core.dependencies import Session
from core.mail import Message
from core.resources import Resources


async def send(resources: Resources, write: Callable[[Session], Awaitable[Message | None]]) -> None:
    """Sends what `write` gives; nothing, if what it was to tell is nobody's concern any more."""
    async with resources.database.transaction() as session:
        mail = await write(session)
    if mail is not None:
        await resources.mail.send(mail)
