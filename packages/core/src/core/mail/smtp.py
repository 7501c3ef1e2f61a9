"""Mail over SMTP (RFC 5321): one connection a message, encrypted wherever the server can be."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from typing import cast

import aiosmtplib

from core.mail.message import TOTAL_TIMEOUT_S, MailRefused, MailUnavailable, Message

STEP_TIMEOUT_S = 10
QUIT_TIMEOUT_S = 1
_FOR_GOOD = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMail:
    """Hands messages to a mail server.

    `implicit_tls` speaks TLS from the first byte (`smtps`, RFC 8314). Without it, STARTTLS is used when the server
    offers it; credentials are never sent before it, so with a `username` a server that does not offer it is an error.

    Raises:
        ValueError: the sender is not one address, with or without a display name.
    """

    host: str
    port: int
    sender: str
    implicit_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    # Made once, at the boot: reading the system's authorities takes some 10 ms of the loop.
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)
    total_timeout_s: float = TOTAL_TIMEOUT_S

    def __post_init__(self) -> None:
        # Fails at the boot, not at the first message.
        self._compose(Message("nobody@invalid.example", "", ""))

    async def send(self, message: Message) -> None:
        """Hands the message over; returning means that the server answered 250 to it.

        Raises:
            MailUnavailable: the server was not reached in time, or takes nothing from us now; the cause says what.
            MailRefused: it takes everything but this message (RFC 5321, section 4.2.1: 5yz to RCPT or to the text); the
                text has the code alone.
        """
        client = self._client()
        try:
            composed, recipient = self._compose(message), _ascii_domain(message.to)
            async with asyncio.timeout(self.total_timeout_s):
                await client.connect()
                await client.send_message(composed, recipients=[recipient])
        # aiosmtplib refuses an address that it cannot put on a command line with a ValueError.
        except (aiosmtplib.SMTPException, OSError, ValueError) as failed:
            if not _is_about_the_message(failed):
                raise MailUnavailable from failed
            # Not chained: what a server says of a message quotes the address, and whoever logs this would keep it.
            raise MailRefused(f"The message was refused: {_told(failed)}.") from None
        finally:
            await _leave(client)

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            local_hostname=_own_name(),
            timeout=STEP_TIMEOUT_S,
            use_tls=self.implicit_tls,
            start_tls=self._start_tls(),
            tls_context=self.tls,
        )

    def _start_tls(self) -> bool | None:
        """False: never; True: insist; None: when offered."""
        if self.implicit_tls:
            return False
        return True if self.username else None

    def _compose(self, message: Message) -> EmailMessage:
        composed = EmailMessage()
        composed["From"] = self.sender
        senders = cast("AddressHeader", composed["From"]).addresses
        if len(senders) != 1 or not senders[0].domain:
            raise ValueError("the sender of mail is one address")
        composed["To"] = _ascii_domain(message.to)
        composed["Subject"] = message.subject
        composed["Date"] = localtime()
        composed["Message-ID"] = make_msgid(domain=senders[0].domain)
        # RFC 3834: holiday notices must not answer this.
        composed["Auto-Submitted"] = "auto-generated"
        composed.set_content(message.text)
        return composed


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Says QUIT (RFC 5321, section 4.1.1.10); waits little, because the message has been taken by now, or has not."""
    try:
        with suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout(QUIT_TIMEOUT_S):
                await client.quit()
    finally:
        client.close()


def _is_about_the_message(failed: Exception) -> bool:
    match failed:
        case aiosmtplib.SMTPRecipientsRefused():
            return all(each.code >= _FOR_GOOD for each in failed.recipients)
        case aiosmtplib.SMTPDataError():
            return failed.code >= _FOR_GOOD
        # It does not take addresses outside ASCII.
        case aiosmtplib.SMTPNotSupported():
            return True
        # A certificate that is refused is a ValueError, too, and an OSError.
        case OSError() | aiosmtplib.SMTPException():
            return False
        case _:
            return True


def _told(refusal: Exception) -> str:
    match refusal:
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [each.code for each in refusal.recipients]
        case aiosmtplib.SMTPDataError():
            codes = [refusal.code]
        case _:
            codes = []
    return " ".join((type(refusal).__name__, *map(str, codes)))


def _ascii_domain(address: str) -> str:
    """The address with its domain in ASCII, so that only a local part outside ASCII needs SMTPUTF8 (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}"


def _own_name() -> str:
    """What EHLO says: aiosmtplib's default asks the DNS, once a message; an address literal is always allowed."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"
