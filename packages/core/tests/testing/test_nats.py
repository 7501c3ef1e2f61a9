"""The server that tests are given."""

import os
import subprocess
import sys
import time

import pytest

from core.testing.nats import nats_server

HOST = """
import sys
from core.testing.nats import nats_server
with nats_server() as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def test_it_leaves_nothing_when_the_process_that_started_it_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOST],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        pid = host.stdout.readline().strip()
        assert list(tmp_path.iterdir())
        host.kill()
    deadline = time.monotonic() + 30
    while _runs(pid) or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_does_not_start_is_told():
    with pytest.raises(RuntimeError, match="does not start"), nats_server("--no-such-option"):
        pass


def _runs(pid: str) -> bool:
    # A zombie counts as ended: nobody may be there to collect it.
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")
