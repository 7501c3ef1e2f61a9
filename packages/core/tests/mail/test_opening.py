"""Which mail a URL means."""

import asyncio

import pytest

from core.mail import FolderMail, Message, open_mail, read_folder
from core.mail.smtp import SmtpMail

SENDER = "no-reply@example.com"


@pytest.mark.parametrize(
    ("url", "host", "port", "implicit_tls", "credentials"),
    [
        ("smtp://mail.example.com", "mail.example.com", 587, False, (None, None)),
        ("smtp://localhost:1025", "localhost", 1025, False, (None, None)),
        ("smtps://mail.example.com", "mail.example.com", 465, True, (None, None)),
        ("smtps://post%40x:p%2Fw%3A%40@mail.example.com:4650", "mail.example.com", 4650, True, ("post@x", "p/w:@")),
    ],
)
def test_an_smtp_url_names_server_encryption_and_credentials(url, host, port, implicit_tls, credentials):
    mail = open_mail(url, SENDER)
    assert isinstance(mail, SmtpMail)
    assert (mail.host, mail.port, mail.implicit_tls) == (host, port, implicit_tls)
    assert (mail.username, mail.password) == credentials


@pytest.mark.parametrize("form", ["file:{}", "file://{}"])
async def test_a_file_url_names_a_folder(tmp_path, form):
    mail = open_mail(form.format(tmp_path / "my%20box"), SENDER)
    assert isinstance(mail, FolderMail)
    await mail.send(Message("ada@example.com", "Welcome", ""))
    assert len(await asyncio.to_thread(read_folder, tmp_path / "my box")) == 1


async def test_a_file_url_may_name_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    await open_mail("file:data/mail", SENDER).send(Message("ada@example.com", "Welcome", ""))
    assert len(await asyncio.to_thread(read_folder, tmp_path / "data" / "mail")) == 1


@pytest.mark.parametrize("url", ["", "ftp://x:hunter2@y", "smtp:", "smtp://", "file:", "file://x/hunter2", "hunter2"])
def test_any_other_url_is_refused_without_being_shown(url):
    with pytest.raises(ValueError, match="a mail URL is") as refused:
        open_mail(url, SENDER)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("sender", ["", "nobody", "a@example.com, b@example.com", "a@example.com\nBcc: c@example.com"])
def test_a_sender_that_is_not_one_address_stops_the_boot(sender):
    with pytest.raises(ValueError, match=r"one address|linefeed"):
        open_mail("smtp://mail.example.com", sender)


def test_the_time_limit_of_a_message_is_a_setting():
    mail = open_mail("smtp://mail.example.com", SENDER, timeout_s=7)
    assert isinstance(mail, SmtpMail)
    assert mail.total_timeout_s == 7


def test_the_repr_shows_no_password():
    assert "hunter2" not in repr(open_mail("smtp://post:hunter2@mail.example.com", SENDER))
