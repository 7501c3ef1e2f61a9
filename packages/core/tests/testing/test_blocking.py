"""A call that blocks the event loop fails the test that made it, even where a layer turned it into an answer."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import time
from contextlib import asynccontextmanager, suppress

from core.application import chassis
from core.testing.open_router import OpenRouter
from core.settings import ChassisSettings
from core.testing import running
from pydantic import BaseModel

router = OpenRouter(prefix="/v1", tags=["naps"])


class Nap(BaseModel):
    seconds: float = 0


@router.get("/blocks")
async def blocks() -> Nap:
    time.sleep(0.01)
    return Nap()


@router.get("/sleeps")
async def sleeps() -> Nap:
    await asyncio.sleep(0.01)
    return Nap()


@asynccontextmanager
async def nothing_to_open(readiness):
    yield {}


async def ask(path):
    settings = ChassisSettings(environment="local", public_url="http://service.test")
    async with running(chassis("naps", settings, routers=[router], lifespan=nothing_to_open)) as client:
        return await client.get(path)


async def test_looks_away():
    await ask("/v1/blocks")


async def test_looks():
    assert (await ask("/v1/sleeps")).status_code == 200
"""


def test_a_blocking_call_in_an_endpoint_fails_a_test_that_does_not_look(tmp_path: Path):
    (tmp_path / "test_naps.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nanyio_mode = auto\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "2 passed, 1 error" in run.stdout
    assert "ERROR test_naps.py::test_looks_away - " in run.stdout
    assert "Blocking call to time.sleep" in run.stdout
    # The traceback leads to the line.
    assert ">       time.sleep(0.01)" in run.stdout or "in blocks" in run.stdout
