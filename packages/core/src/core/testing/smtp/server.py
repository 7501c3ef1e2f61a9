"""The SMTP server of tests, as they handle it."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any, Literal, cast

from core.testing.network import free_port
from core.testing.smtp.certificates import Certificate

# By its path: so it need not load core. Without its folder in front of all other modules.
_PROCESS = [sys.executable, "-P", str(Path(__file__).with_name("process.py"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that the server has answered for: its envelope, its bytes, and how they came."""

    sender: str
    recipients: list[str]
    options: list[str]
    content: bytes
    is_encrypted: bool
    login: str | None

    @property
    def mail(self) -> EmailMessage:
        """The bytes, read."""
        return cast("EmailMessage", message_from_bytes(self.content, policy=SMTPUTF8))

    @property
    def text(self) -> str:
        """What it says, its lines as they were before they travelled."""
        return self.mail.get_content().replace("\r\n", "\n")


class SmtpServer:
    """A server on one port, with its mail in files; both outlive its process.

    It offers STARTTLS, or is encrypted from the first byte, with a `certificate`; it takes the login `post` with a
    `password`, without encryption only if it `tempts`; and addresses outside ASCII unless `utf8` is False.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Certificate | None = None,
        tls: Literal["starttls", "implicit"] = "starttls",
        password: str | None = None,
        tempts: bool = False,
        utf8: bool = True,
    ) -> None:
        self.port = free_port()
        self._folder, self._behaviour = folder / "mail", folder / "behaviour.json"
        self._folder.mkdir()
        files = {"folder": str(self._folder), "behaviour": str(self._behaviour)}
        encryption = {"certificate": str(certificate.file) if certificate else None, "tls": tls}
        self._options = {"port": self.port, "password": password, "tempts": tempts, "utf8": utf8, **files, **encryption}
        self._process: subprocess.Popen[str] | None = None
        self.behave()

    @property
    def url(self) -> str:
        """Where it listens, as the setting `mail.url` has it."""
        return f"{'smtps' if self._options['tls'] == 'implicit' else 'smtp'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, with the mail that there is, and waits until it listens."""
        command = [*_PROCESS, json.dumps(self._options)]
        pipe = subprocess.PIPE
        # Ctrl-C in the terminal is for the tests. It ends with its input: also when this process is killed.
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            self.kill()
            raise RuntimeError("the SMTP server does not start")

    def stop(self) -> None:
        """Ends it in order, if it runs; from here on connections are refused."""
        if self._process is not None:
            with self._process as process:
                assert process.stdin
                process.stdin.close()
            self._process = None

    def kill(self) -> None:
        """Ends it as a crash would, if it runs."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None

    def behave(self, **verbs: str) -> None:
        """What it says from here on to MAIL, RCPT, DATA (once the text has come), TAKEN (once it is kept) and QUIT.

        `RCPT="550 5.1.1 nobody"` is an answer, "hang" says nothing, "drop" hangs up; nothing is as it should be. What
        concerns one recipient alone is `**{"RCPT nobody@example.com": …}`.
        """
        unfinished = self._behaviour.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(verbs))
        unfinished.rename(self._behaviour)

    def messages(self) -> list[Received]:
        """What it has taken, in order."""
        return [Received(**each | {"content": each["content"].encode("latin-1")}) for each in self._read("message")]

    def attempts(self) -> list[dict[str, Any]]:
        """Who tried to sign in, in order, and whether that was encrypted; right or wrong."""
        return self._read("attempt")

    def clear(self) -> None:
        """Forgets all of that, and how to behave."""
        for file in self._folder.glob("*.json"):
            file.unlink()
        self.behave()

    def _read(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted(self._folder.glob(f"{kind}-*.json"))]


@contextlib.contextmanager
def smtp_server(**options: Any) -> Iterator[SmtpServer]:
    """A server that runs, with an empty box, until the block ends; its options are those of SmtpServer."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = SmtpServer(Path(folder), **options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
