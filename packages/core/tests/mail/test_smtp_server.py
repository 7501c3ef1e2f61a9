"""What a real SMTP server gets from us, and what we make of how it behaves."""

import asyncio
import ssl

import pytest

from core.mail import MailRefused, MailUnavailable, Message
from core.testing.smtp import certificate, smtp_server

PASSWORD = "hunter2"
WELCOME = Message("ada@example.com", "Grüße 👋", "Your code:\n.\n4711 ü\n" + "long " * 300 + "\n", "4711")


@pytest.fixture
def no_step_ends(monkeypatch) -> None:
    """Of a conversation, none ends by itself; and good-bye is short."""
    monkeypatch.setattr("core.mail.smtp.STEP_TIMEOUT_S", 600)
    monkeypatch.setattr("core.mail.smtp.QUIT_TIMEOUT_S", 0.1)


async def test_it_gets_the_envelope_the_headers_and_the_text(smtp, mail_to):
    await mail_to(smtp).send(WELCOME)
    [received] = smtp.messages()
    assert (received.sender, received.recipients) == ("no-reply@example.com", ["ada@example.com"])
    mail = received.mail
    assert (mail["From"], mail["To"]) == ("Example <no-reply@example.com>", "ada@example.com")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("Grüße 👋", "auto-generated")
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Date"].datetime.tzinfo is not None
    assert (mail.get_content_type(), mail.get_content_charset()) == ("text/plain", "utf-8")
    assert received.text == WELCOME.text
    assert (received.is_encrypted, received.login) == (False, None)


async def test_what_anybody_could_take_needs_no_utf8_and_no_long_line(smtp, mail_to):
    await mail_to(smtp).send(WELCOME)
    [received] = smtp.messages()
    assert received.content.isascii()
    assert not any("UTF8" in option for option in received.options)
    # RFC 5321, section 4.5.3.1.6.
    assert max(map(len, received.content.split(b"\r\n"))) <= 998


async def test_an_address_outside_ascii_is_sent_as_it_is_to_who_takes_it(smtp, mail_to):
    await mail_to(smtp).send(Message("jürgen@bücher.example", "Hello", "Grüße"))
    [received] = smtp.messages()
    assert received.recipients == ["jürgen@xn--bcher-kva.example"]
    assert "SMTPUTF8" in received.options
    assert received.mail["To"] == "jürgen@xn--bcher-kva.example"


async def test_an_address_outside_ascii_is_refused_for_good_where_nobody_takes_it(mail_to):
    with smtp_server(utf8=False) as server:
        with pytest.raises(MailRefused):
            await mail_to(server).send(Message("jürgen@example.com", "Hello", ""))
        await mail_to(server).send(Message("ada@bücher.example", "Hello", ""))
        assert [each.recipients for each in server.messages()] == [["ada@xn--bcher-kva.example"]]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_password_and_the_message_travel_encrypted(mail_to, trusted, tls):
    with smtp_server(certificate=trusted, tls=tls, password=PASSWORD) as server:
        mail = mail_to(server, implicit_tls=tls == "implicit", tls=trusted.trust, username="post", password=PASSWORD)
        await mail.send(WELCOME)
        assert server.attempts() == [{"login": "post", "is_encrypted": True}]
        assert [(each.login, each.is_encrypted) for each in server.messages()] == [("post", True)]


async def test_no_password_goes_to_a_server_that_would_take_it_unencrypted(mail_to):
    with smtp_server(password=PASSWORD, tempts=True) as server:
        with pytest.raises(MailUnavailable):
            await mail_to(server, username="post", password=PASSWORD).send(WELCOME)
        assert (server.attempts(), server.messages()) == ([], [])


async def test_a_wrong_password_is_ours_to_mend_and_no_fault_of_the_message(mail_to, trusted):
    with smtp_server(certificate=trusted, password=PASSWORD) as server:
        with pytest.raises(MailUnavailable):
            await mail_to(server, tls=trusted.trust, username="post", password="wrong").send(WELCOME)
        assert server.messages() == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("wrong", [{"address": "127.0.0.2"}, {"valid_days": -1}, None], ids=str)
async def test_nothing_is_told_to_a_server_whose_certificate_is_wrong(mail_to, tmp_path, wrong, tls):
    shown = certificate(tmp_path, **wrong or {})
    trust = ssl.create_default_context() if wrong is None else shown.trust
    with smtp_server(certificate=shown, tls=tls, password=PASSWORD) as server:
        mail = mail_to(server, implicit_tls=tls == "implicit", tls=trust, username="post", password=PASSWORD)
        with pytest.raises(MailUnavailable):
            await mail.send(WELCOME)
        assert (server.attempts(), server.messages()) == ([], [])


@pytest.mark.parametrize(
    ("behaviour", "refusal"),
    [
        # Greylisting, a full disk, an overloaded content filter: later.
        ({"RCPT": "450 4.7.1 come again"}, MailUnavailable),
        ({"MAIL": "452 4.3.1 the disk is full"}, MailUnavailable),
        ({"DATA": "451 4.7.1 busy"}, MailUnavailable),
        ({"RCPT": "421 4.3.2 closing"}, MailUnavailable),
        # Nobody's mail would be taken from us.
        ({"MAIL": "550 5.7.1 not from you"}, MailUnavailable),
        # This one's will not be.
        ({"RCPT": "550 5.1.1 nobody of that name"}, MailRefused),
        ({"RCPT": "552 5.2.2 the box is full"}, MailRefused),
        ({"DATA": "554 5.6.0 not that text"}, MailRefused),
        ({"DATA": "drop"}, MailUnavailable),
        ({"RCPT": "drop"}, MailUnavailable),
    ],
    ids=str,
)
async def test_a_refusal_of_the_message_is_told_from_an_outage(smtp, mail_to, behaviour, refusal):
    smtp.behave(**behaviour)
    with pytest.raises((MailRefused, MailUnavailable)) as refused:
        await mail_to(smtp).send(WELCOME)
    assert type(refused.value) is refusal
    assert smtp.messages() == []
    smtp.behave()
    await mail_to(smtp).send(WELCOME)
    assert len(smtp.messages()) == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_hangs_is_left_in_time(smtp, mail_to, verb, no_step_ends):
    smtp.behave(**{verb: "hang"})
    async with asyncio.timeout(60):
        with pytest.raises(MailUnavailable):
            await mail_to(smtp, total_timeout_s=0.3).send(WELCOME)
    assert smtp.messages() == []


async def test_who_has_the_message_need_not_say_good_bye(smtp, mail_to, no_step_ends):
    """A message that is taken must not be sent again because of what comes after it."""
    smtp.behave(QUIT="hang")
    async with asyncio.timeout(60):
        await mail_to(smtp, total_timeout_s=50).send(WELCOME)
    assert len(smtp.messages()) == 1


async def test_what_was_taken_without_an_answer_is_sent_again(smtp, mail_to):
    """At least once: no client can know what became of it (RFC 1047)."""
    smtp.behave(TAKEN="drop")
    with pytest.raises(MailUnavailable):
        await mail_to(smtp).send(WELCOME)
    smtp.behave()
    await mail_to(smtp).send(WELCOME)
    assert [each.text for each in smtp.messages()] == [WELCOME.text] * 2


async def test_a_server_may_be_stopped_killed_and_started_again(mail_to):
    with smtp_server() as server:
        for end in (server.stop, server.kill):
            await mail_to(server).send(WELCOME)
            await asyncio.to_thread(end)
            with pytest.raises(MailUnavailable):
                await mail_to(server).send(WELCOME)
            await asyncio.to_thread(server.start)
        assert len(server.messages()) == 2
