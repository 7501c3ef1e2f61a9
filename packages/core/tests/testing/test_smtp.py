"""The mail server that tests are given."""

import contextlib
import socket
import ssl
import subprocess
import sys
import time

import pytest

from core.testing.smtp import Certificate, certificate, smtp_server

HOST = """
import sys
from core.testing.smtp import smtp_server
with smtp_server() as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path):
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOST], stdin=pipe, stdout=pipe, text=True) as host:
        assert host.stdout is not None
        port = host.stdout.readline().strip()
        assert _listens(port)
        host.kill()
    deadline = time.monotonic() + 30
    while _listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_may_be_ended_twice_and_begun_again():
    with smtp_server() as server:
        for end in (server.kill, server.stop):
            end()
            end()
            assert not _listens(server.port)
            server.start()
        assert _listens(server.port)
        server.kill()


def test_one_that_does_not_start_is_told(tmp_path):
    nothing = Certificate(tmp_path / "nothing.pem", ssl.create_default_context())
    with pytest.raises(RuntimeError, match="does not start"), smtp_server(certificate=nothing):
        pass


@pytest.mark.parametrize(("tls", "scheme"), [("starttls", "smtp"), ("implicit", "smtps")])
def test_its_address_says_how_it_is_spoken_to(tmp_path, tls, scheme):
    with smtp_server(certificate=certificate(tmp_path), tls=tls) as server:
        assert server.url == f"{scheme}://127.0.0.1:{server.port}"


def _listens(port: int | str) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", int(port)), timeout=30):
        return True
    return False
