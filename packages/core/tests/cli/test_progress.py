"""How far a command has come, on a terminal and in the log of a machine."""

import io

import pytest

from core.cli.progress import ProgressLine, grouped


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_line_that_changes():
    terminal = Terminal()
    line = ProgressLine(terminal)
    line.show("1 / 2")
    line.show("2 / 2")
    line.end()
    line.end()
    line.show("next")
    assert terminal.getvalue() == "\r1 / 2\x1b[K\r2 / 2\x1b[K\n\rnext\x1b[K"


@pytest.mark.parametrize(("pause_s", "shown"), [(0, "1\n2\n3\n4\n"), (3600, "1\n3\n")])
def test_elsewhere_there_is_a_line_now_and_then_and_the_first_of_each_part(monkeypatch, pause_s, shown):
    monkeypatch.setattr("core.cli.progress.PAUSE_S", pause_s)
    stream = io.StringIO()
    line = ProgressLine(stream)
    line.show("1")
    line.show("2")
    line.end()
    line.show("3")
    line.show("4")
    assert stream.getvalue() == shown


def test_a_number_is_written_as_people_read_it():
    assert [grouped(number) for number in (0, 999, 12_500, 1_000_000)] == ["0", "999", "12 500", "1 000 000"]
