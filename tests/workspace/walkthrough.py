"""Follows a page of the documentation as a reader does: runs what it runs, edits what it edits, sees what it shows."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 180
HEADING = re.compile(r"^## (?P<title>.*)$", re.MULTILINE)
BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<kind>.*)\n(?P<text>(?s:.*?))^(?P=fence)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences, of the kind that the first one names."""

    kind: str
    text: str


def sections_of(page: str) -> Iterator[list[Block]]:
    """The blocks below each heading."""
    for section in HEADING.split(page)[::2]:
        yield [Block(found["kind"].strip(), found["text"]) for found in BLOCK.finditer(section)]


def shows(printed: str, shown: str) -> bool:
    """Whether those words are in what was printed, one after the other; each `…` stands for anything."""
    wanted, given = (" ".join(text.split()) for text in (shown, printed))
    return re.search(re.escape(wanted).replace("…", ".*?"), given) is not None


def edit(root: Path, text: str) -> None:
    """Makes one edit: `+++` and the file, then lines that begin with a sign, as in a diff."""
    path, _, lines = text.removeprefix("+++ ").partition("\n")
    before, after = (
        # A line that is empty but for its sign may have lost it.
        "".join(line[1:] or line for line in lines.splitlines(keepends=True) if line[0] in signs)
        for signs in (" \n-", " \n+")
    )
    content = (root / path).read_text()
    if content.count(before) != 1:
        pytest.fail(f"{path} does not say once:\n{before}")
    (root / path).write_text(content.replace(before, after))


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell, and all that it has printed."""

    shell: subprocess.Popen[bytes]
    output: Path

    def see(self, shown: str) -> None:
        """Waits until it has printed that, or cannot any more."""
        until = time.monotonic() + PATIENCE_S
        while self.shell.poll() is None and time.monotonic() < until and not shows(self.printed, shown):
            time.sleep(0.05)
        if not shows(self.printed, shown):
            pytest.fail(f"The page shows:\n{shown}\nbut this is printed:\n{self.printed}")

    @property
    def printed(self) -> str:
        return self.output.read_text()

    def interrupt(self) -> None:
        """As Ctrl-C does, which every process of a terminal hears."""
        if self.shell.poll() is None:
            os.killpg(self.shell.pid, signal.SIGINT)
        self.wait()

    def wait(self) -> int:
        """Its exit code; what does not end is killed."""
        try:
            return self.shell.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.shell.pid, signal.SIGKILL)
            self.shell.wait()
            raise


@dataclass(frozen=True, slots=True)
class Reader:
    """Has the project in `root`, and keeps in `notes` what was printed and the variables of the shell."""

    root: Path
    notes: Path
    environment: dict[str, str]

    def follow(self, page: str) -> None:
        (self.notes / "variables").touch()
        for section in sections_of(page):
            self._read(section)

    def _read(self, section: list[Block]) -> None:
        """What runs in the second terminal does so until the section ends."""
        seen, second = None, None
        try:
            for block in section:
                match block.kind:
                    case "sh":
                        seen = self._run(block.text)
                    case "sh terminal=2" if not second:
                        seen = second = self._open(block.text)
                    case "text" if seen:
                        seen.see(block.text)
                    case "diff":
                        edit(self.root, block.text)
                    case _:
                        pytest.fail(f"A reader does not know what to do with {block.kind!r}:\n{block.text}")
        finally:
            if second:
                second.interrupt()

    def _run(self, commands: str) -> Terminal:
        """Variables are still set in the next block."""
        variables = self.notes / "variables"
        terminal = self._open(f'set -e -a\n. "{variables}"\n{commands}\nexport -p >"{variables}"')
        if terminal.wait():
            pytest.fail(f"This fails:\n{commands}\n{terminal.printed}")
        return terminal

    def _open(self, commands: str) -> Terminal:
        output = self.notes / f"output-{len(list(self.notes.iterdir()))}"
        with output.open("wb") as file:
            shell = subprocess.Popen(
                ["sh", "-c", commands],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Terminal(shell, output)
