"""One message to one address, and the port that takes it."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import Invalid, Unavailable

# Deliberately narrower than RFC 5322: no display name, comment, quoted local part or list, so that no text that a
# stranger typed can add a recipient; and without `=?`, by which a header would show what it decodes to (RFC 2047).
# Whether the address exists is what the mail itself finds out.
_ONE_ADDRESS = re.compile(r"""(?!.*=\?)[^\s<>()\[\],;:"\\@]+@[^\s<>()\[\],;:"\\@]+""")
# Control characters and the line and paragraph separators: each can end a header line somewhere on the way.
_LINE_BREAKING = {"Cc", "Zl", "Zp"}

# How long handing a message over may take.
TOTAL_TIMEOUT_S = 30


class MailUnavailable(Unavailable):
    """The message could not be handed over."""

    code = "mail_unavailable"


class MailRefused(Invalid):
    """The mail server refuses this message for good."""

    code = "mail_refused"


@dataclass(frozen=True, slots=True)
class Message:
    """A message in plain text; `token` is the one-time token that `text` carries, for a reader of a local mailbox.

    Raises:
        ValueError: `to` is not exactly one bare address, or the subject could break a header line.
    """

    to: str
    subject: str
    # Kept out of the repr: a one-time token belongs in no log and no traceback.
    text: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _ONE_ADDRESS.fullmatch(self.to) or breaks_a_line(self.to):
            raise ValueError("a message goes to one bare address")
        if breaks_a_line(self.subject):
            raise ValueError("a subject is one line without control characters")


def breaks_a_line(header: str) -> bool:
    """Whether a header with this text could become two (header injection)."""
    return any(unicodedata.category(character) in _LINE_BREAKING for character in header)


class Mail(Protocol):
    """Anything that takes messages."""

    async def send(self, message: Message) -> None:
        """Hands the message over; returning means that the other side has it.

        Raises:
            MailUnavailable: it was not taken, and no message would be now; trying again later is safe.
            MailRefused: it was not taken, and hardly ever will be: nobody has the address, or the text is not wanted.
        """
        ...
