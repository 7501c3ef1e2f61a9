"""A mailbox that is a folder: what local runs send into, and what tests and people read."""

import asyncio
import itertools
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.clock import Clock, SystemClock
from core.mail.message import MailUnavailable, Message


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message found in a folder."""

    message: Message
    sender: str
    sent_at: datetime


class FolderMail:
    """Writes each message into a file of its own: JSON, readable by its owner only, its name sorting by time."""

    def __init__(self, folder: Path, sender: str, *, clock: Clock | None = None) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock or SystemClock()
        # Two messages of one microsecond, or under a clock that stands still, keep their order.
        self._sequence = itertools.count()

    async def send(self, message: Message) -> None:
        """Writes the message; a reader sees all of it or nothing.

        Raises:
            MailUnavailable: the folder cannot be written.
        """
        sent_at = self._clock.now()
        content = {
            "from": self._sender,
            "to": message.to,
            "subject": message.subject,
            "text": message.text,
            "token": message.token,
            "sent_at": sent_at.isoformat(),
        }
        # The random end keeps two processes that share a folder apart.
        stem = f"{sent_at:%Y%m%dT%H%M%S%fZ}-{next(self._sequence):06d}-{secrets.token_hex(4)}"
        try:
            await asyncio.to_thread(_write, self._folder, stem, json.dumps(content, ensure_ascii=False, indent=2))
        except OSError as failed:
            raise MailUnavailable from failed


def _write(folder: Path, stem: str, content: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f".{stem}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    unfinished.rename(folder / f"{stem}.json")


def read_folder(folder: Path, to: str | None = None) -> list[Delivered]:
    """The messages in the folder, newest first, or only those to one address; blocking, so call it off the loop.

    What is not, or not yet, a whole message is passed over.
    """
    names = sorted(folder.glob("*.json"), key=lambda path: path.name, reverse=True)
    return [found for found in _messages(names) if to is None or found.message.to.casefold() == to.casefold()]


def _messages(paths: list[Path]) -> Iterator[Delivered]:
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            message = Message(content["to"], content["subject"], content["text"], content["token"])
            yield Delivered(message, content["from"], datetime.fromisoformat(content["sent_at"]))
        # Removed since it was listed, half written by something else, or no message at all.
        except (OSError, ValueError, KeyError, TypeError):
            continue
