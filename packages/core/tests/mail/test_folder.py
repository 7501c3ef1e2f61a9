"""A folder as a mailbox: what is written, and how it is read back."""

import asyncio
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.mail import Delivered, FolderMail, MailUnavailable, Message, read_folder

SENDER = "Example <no-reply@example.com>"
WELCOME = Message("ada@example.com", "Welcome", "Your code:\n4711", "4711")


async def read(folder: Path, to: str | None = None) -> list[Delivered]:
    return await asyncio.to_thread(read_folder, folder, to)


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 5, 17, 9, 30, tzinfo=UTC)


async def test_a_message_is_one_json_file(tmp_path):
    await FolderMail(tmp_path, SENDER, clock=StoppedClock()).send(WELCOME)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "from": SENDER,
        "to": "ada@example.com",
        "subject": "Welcome",
        "text": "Your code:\n4711",
        "token": "4711",
        "sent_at": "2026-05-17T09:30:00+00:00",
    }


async def test_messages_are_readable_by_their_owner_only(tmp_path):
    await FolderMail(tmp_path / "box", SENDER).send(WELCOME)
    (file,) = (tmp_path / "box").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "box").stat().st_mode) == 0o700


async def test_the_newest_message_is_read_first_even_when_the_clock_stands_still(tmp_path):
    mail = FolderMail(tmp_path, SENDER, clock=StoppedClock())
    for number in range(12):
        await mail.send(Message("ada@example.com", f"number {number}", ""))
    subjects = [found.message.subject for found in await read(tmp_path)]
    assert subjects == [f"number {number}" for number in reversed(range(12))]


async def test_what_is_read_equals_what_was_sent(tmp_path):
    await FolderMail(tmp_path, SENDER, clock=StoppedClock()).send(WELCOME)
    (found,) = await read(tmp_path)
    assert (found.message, found.sender, found.sent_at) == (WELCOME, SENDER, StoppedClock().now())


async def test_one_recipient_sees_only_their_own_messages(tmp_path):
    mail = FolderMail(tmp_path, SENDER)
    await mail.send(WELCOME)
    await mail.send(Message("Eve@example.com", "Not for Ada", ""))
    assert [found.message.subject for found in await read(tmp_path, to="eve@EXAMPLE.com")] == ["Not for Ada"]


async def test_messages_sent_at_once_are_all_kept(tmp_path):
    mail = FolderMail(tmp_path, SENDER, clock=StoppedClock())
    other = FolderMail(tmp_path, SENDER, clock=StoppedClock())
    await asyncio.gather(*(sender.send(WELCOME) for sender in (mail, other) for _ in range(10)))
    assert len(await read(tmp_path)) == 20


@pytest.mark.parametrize(
    "content",
    [
        '{"from": "x", "to": "ada@exa',
        "",
        "[]",
        "{}",
        '{"from": "x", "to": "nobody", "subject": "", "text": "", "token": null, "sent_at": "2026-05-17T09:30:00Z"}',
    ],
)
async def test_what_is_no_whole_message_is_passed_over(tmp_path, content):
    await FolderMail(tmp_path, SENDER).send(WELCOME)
    (tmp_path / "99990101T000000000000Z-000000-00.json").write_text(content)
    assert [found.message for found in await read(tmp_path)] == [WELCOME]


def test_a_message_removed_while_the_folder_is_read_is_passed_over(tmp_path):
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    assert read_folder(tmp_path) == []


def test_a_folder_that_nobody_has_written_to_is_empty(tmp_path):
    assert read_folder(tmp_path / "never") == []


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "box").write_text("a file where the folder should be")
    with pytest.raises(MailUnavailable):
        await FolderMail(tmp_path / "box", SENDER).send(WELCOME)
