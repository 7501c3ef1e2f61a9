"""A test that fails shows the tracebacks that were logged meanwhile."""

import subprocess
import sys

TESTS = """
import structlog


def logs_a_failure():
    try:
        raise RuntimeError("the cause")
    except RuntimeError:
        structlog.get_logger("tests").exception("it failed")


def test_fails():
    logs_a_failure()
    logs_a_failure()
    assert False


def test_passes():
    logs_a_failure()
"""


def test_what_failed_inside_is_told_once(tmp_path):
    (tmp_path / "test_causes.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in run.stdout
    assert run.stdout.count("logged traceback") == 1
    assert run.stdout.count("RuntimeError: the cause") == 1
