"""Lines leave in order and in time; a reader that stalls costs lines, which are counted, and never a request."""

import fcntl
import os
import select
import threading
import time

import pytest

from core.telemetry import writer
from core.telemetry.writer import LineWriter


@pytest.fixture
def pipe():
    reader, written = os.pipe()
    yield reader, written
    for descriptor in (reader, written):
        try:
            os.close(descriptor)
        except OSError:
            continue


def read_all(reader: int) -> bytes:
    data = b""
    while part := os.read(reader, 65_536):
        data += part
    return data


def test_lines_leave_in_order(pipe):
    reader, descriptor = pipe
    lines = LineWriter(descriptor).start()
    for number in range(1000):
        lines(b"%d\n" % number)
    lines.stop()
    os.close(descriptor)
    assert read_all(reader) == b"".join(b"%d\n" % number for number in range(1000))


def test_a_line_leaves_soon_without_being_asked_for(pipe):
    reader, descriptor = pipe
    lines = LineWriter(descriptor).start()
    lines(b"soon\n")
    assert os.read(reader, 100) == b"soon\n"
    lines.stop()


def test_no_line_is_lost_between_threads(pipe):
    reader, descriptor = pipe
    lines = LineWriter(descriptor).start()

    def write() -> None:
        for _ in range(2000):
            lines(b"x\n")

    received: list[bytes] = []
    consumer = threading.Thread(target=lambda: received.append(read_all(reader)))
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in [consumer, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    lines.stop()
    os.close(descriptor)
    consumer.join()
    assert (len(received[0]) // 2 + lines.dropped, lines.dropped) == (8000, 0)


def test_a_reader_that_stalls_costs_lines_and_no_time(pipe, monkeypatch):
    monkeypatch.setattr(writer, "LINES_MAX", 10)
    monkeypatch.setattr(writer, "STOP_TIMEOUT_S", 0.1)
    reader, descriptor = pipe
    lines = LineWriter(descriptor).start()
    # More than a pipe holds: once some of it is there, the thread stands in its write.
    lines(b"x" * 1_000_000)
    assert select.select([reader], [], [], 30)[0]
    for _ in range(25):
        lines(b"x\n")
    assert lines.dropped == 15
    # The thread stays where it is, and is not waited for.
    lines.stop()
    assert lines._thread.is_alive()
    # Or else it would go on in the pipe of the next test, which may get the same number.
    while lines._thread.is_alive():
        if select.select([reader], [], [], 0.05)[0]:
            os.read(reader, 1_000_000)


def test_a_reader_that_has_gone_costs_lines_and_no_failure(pipe):
    reader, descriptor = pipe
    os.close(reader)
    lines = LineWriter(descriptor).start()
    lines(b"unheard\n")
    lines(b"unheard\n")
    lines.stop()
    assert lines.dropped == 2


def test_a_pipe_that_does_not_block_gets_whole_lines_too(pipe):
    reader, descriptor = pipe
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK)
    lines = LineWriter(descriptor).start()
    lines(b"x" * 200_000 + b"\n")
    time.sleep(0.1)
    received: list[bytes] = []
    consumer = threading.Thread(target=lambda: received.append(read_all(reader)))
    consumer.start()
    lines.stop()
    os.close(descriptor)
    consumer.join()
    assert (len(received[0]), lines.dropped) == (200_001, 0)
