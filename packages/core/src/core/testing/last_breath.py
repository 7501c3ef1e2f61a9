"""Ends what a test run has started when the run itself ends, however that comes: nothing runs on alone."""

import subprocess
from pathlib import Path

# Reads until the process that holds the other end of its input has ended.
_WATCH = 'read -r _; kill -9 "$0"; rm -rf "$1"'


def ended_with_us(server: subprocess.Popen[bytes], directory: Path) -> subprocess.Popen[bytes]:
    """What watches; end it before the server: it would kill whoever is given the number of that process next."""
    null = subprocess.DEVNULL
    command = ["/bin/sh", "-c", _WATCH, str(server.pid), str(directory)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True)
