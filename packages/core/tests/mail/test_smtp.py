"""SMTP, line by line, as a server hears it that answers as it likes; test_smtp_server.py has a real one."""

import asyncio
import base64
import ssl
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as mime

import pytest

from core.mail import MailRefused, MailUnavailable, Message
from core.mail.smtp import SmtpMail

WELCOME = Message("ada@example.com", "Grüße", "Your code:\n.\n4711\n", "4711")


@dataclass
class Server:
    """Just enough of RFC 5321 to take a message; `answers` replaces what it says to a verb."""

    offers: tuple[str, ...] = ()
    answers: dict[str, bytes] = field(default_factory=dict)
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    # (verb line, whether it came encrypted)
    heard: list[tuple[str, bool]] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that does not like the certificate just leaves.
        with suppress(ConnectionError):
            await self.converse(reader, writer)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            encrypted = writer.get_extra_info("ssl_object") is not None
            self.heard.append((line, encrypted))
            verb = line.split(" ")[0].upper()
            if verb in self.answers:
                writer.write(self.answers[verb])
            elif verb == "EHLO":
                lines = ["250-loopback", *(f"250-{offer}" for offer in self.offers), "250 SIZE"]
                writer.writelines(f"{line}\r\n".encode() for line in lines)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif verb == "STARTTLS":
                writer.write(b"220 go\r\n")
                await writer.start_tls(self.tls)
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"235 ok\r\n" if verb == "AUTH" else b"250 ok\r\n")
        writer.close()

    def mail(self) -> EmailMessage:
        (raw,) = self.mails
        return message_from_bytes(raw.removesuffix(b".\r\n"), policy=mime)

    def verbs(self) -> list[str]:
        return [line.split(" ")[0] for line, _ in self.heard]


@asynccontextmanager
async def running(server: Server, *, implicit_tls: bool = False) -> AsyncGenerator[Server]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=server.tls if implicit_tls else None)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@pytest.fixture(scope="session")
def contexts(trusted) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's, of a certificate that only the client trusts."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(trusted.file)
    return server, trusted.trust


def mail_to(server: Server, **chosen) -> SmtpMail:
    return SmtpMail(host="127.0.0.1", port=server.port, sender="Example <no-reply@example.com>", **chosen)


async def test_a_message_arrives_with_its_headers_and_its_text():
    async with running(Server()) as server:
        await mail_to(server).send(WELCOME)
    mail = server.mail()
    assert (mail["From"], mail["To"], mail["Subject"]) == ("Example <no-reply@example.com>", "ada@example.com", "Grüße")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Date"].datetime.tzinfo is not None
    # A line with a single dot is doubled on the wire; the receiving server would take it back.
    assert mail.get_content().replace("..", ".").splitlines() == ["Your code:", ".", "4711"]


async def test_the_envelope_names_one_sender_and_one_recipient():
    async with running(Server()) as server:
        await mail_to(server).send(WELCOME)
    lines = [line.split(" size=")[0] for line, _ in server.heard]
    assert [line for line in lines if line.startswith(("MAIL", "RCPT"))] == [
        "MAIL FROM:<no-reply@example.com>",
        "RCPT TO:<ada@example.com>",
    ]


async def test_a_domain_outside_ascii_needs_nothing_special_of_the_server():
    async with running(Server()) as server:
        await mail_to(server).send(Message("ada@bücher.example", "Welcome", ""))
    assert ("RCPT TO:<ada@xn--bcher-kva.example>", False) in server.heard


async def test_a_local_part_outside_ascii_needs_a_server_that_takes_it():
    async with running(Server(offers=("SMTPUTF8", "8BITMIME"))) as server:
        await mail_to(server).send(Message("jürgen@example.com", "Welcome", ""))
    assert ("RCPT TO:<jürgen@example.com>", False) in server.heard
    async with running(Server()) as server:
        with pytest.raises(MailRefused):
            await mail_to(server).send(Message("jürgen@example.com", "Welcome", ""))


async def test_starttls_is_used_when_it_is_offered(contexts):
    async with running(Server(offers=("STARTTLS",), tls=contexts[0])) as server:
        await mail_to(server, tls=contexts[1]).send(WELCOME)
    assert [encrypted for line, encrypted in server.heard if line.startswith(("RCPT", "DATA"))] == [True, True]


async def test_smtps_is_encrypted_from_the_first_byte(contexts):
    async with running(Server(tls=contexts[0]), implicit_tls=True) as server:
        await mail_to(server, tls=contexts[1], implicit_tls=True).send(WELCOME)
    assert all(encrypted for _, encrypted in server.heard)
    assert server.mails


@pytest.mark.parametrize("implicit_tls", [True, False])
async def test_a_certificate_that_nobody_vouches_for_is_refused(contexts, implicit_tls):
    async with running(Server(offers=("STARTTLS",), tls=contexts[0]), implicit_tls=implicit_tls) as server:
        with pytest.raises(MailUnavailable):
            await mail_to(server, implicit_tls=implicit_tls).send(WELCOME)
    assert not server.mails


async def test_credentials_are_sent_encrypted(contexts):
    async with running(Server(offers=("STARTTLS", "AUTH PLAIN"), tls=contexts[0])) as server:
        await mail_to(server, tls=contexts[1], username="post", password="secret").send(WELCOME)
    expected = base64.b64encode(b"\0post\0secret").decode()
    assert (f"AUTH PLAIN {expected}", True) in server.heard


async def test_credentials_are_never_sent_to_a_server_without_encryption():
    async with running(Server(offers=("AUTH PLAIN",))) as server:
        with pytest.raises(MailUnavailable):
            await mail_to(server, username="post", password="secret").send(WELCOME)
    assert not any(line.startswith("AUTH") for line, _ in server.heard)


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_refusal_at_any_step_is_told(verb):
    async with running(Server(answers={verb: b"554 no\r\n", "HELO": b"554 no\r\n"})) as server:
        with pytest.raises((MailRefused, MailUnavailable)):
            await mail_to(server).send(WELCOME)
    assert verb in server.verbs()


async def test_a_server_that_is_not_there_is_unavailable():
    async with running(Server()) as server:
        pass
    with pytest.raises(MailUnavailable):
        await mail_to(server).send(WELCOME)


async def test_a_server_that_stops_answering_is_unavailable_within_the_time_limit():
    async with running(Server(answers={"MAIL": b""})) as server, asyncio.timeout(30):
        with pytest.raises(MailUnavailable):
            await mail_to(server, total_timeout_s=0.2).send(WELCOME)


@pytest.mark.parametrize(
    ("verb", "answer", "told"),
    [
        ("RCPT", b"550 5.1.1 <ada@example.com> is unknown\r\n", "SMTPRecipientsRefused 550"),
        ("DATA", b"554 5.7.1 ada@example.com wants none of this\r\n", "SMTPDataError 554"),
    ],
)
async def test_what_is_logged_of_a_refusal_names_nobody(verb, answer, told):
    async with running(Server(answers={verb: answer})) as server:
        with pytest.raises(MailRefused) as refused:
            await mail_to(server).send(WELCOME)
    lines = "".join(traceback.format_exception(refused.value))
    assert f"The message was refused: {told}" in lines
    assert "ada@example.com" not in lines


async def test_an_address_that_no_server_could_take_is_refused():
    async with running(Server()) as server:
        with pytest.raises(MailRefused):
            await mail_to(server).send(Message("ada@example..com", "Welcome", ""))
    assert not server.heard


@pytest.mark.parametrize(("hostname", "said"), [("web-1.example.com", "web-1.example.com"), ("web-1", "[127.0.0.1]")])
async def test_the_greeting_is_a_name_with_a_dot_or_an_address_literal(monkeypatch, hostname, said):
    monkeypatch.setattr("socket.gethostname", lambda: hostname)
    async with running(Server()) as server:
        await mail_to(server).send(WELCOME)
    assert server.heard[0][0] == f"EHLO {said}"
