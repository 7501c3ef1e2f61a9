"""The edges that tests are lent, and what the suite says where there is none."""

import asyncio
import socket
import sys
from contextlib import ExitStack

import httpx
import pytest

from core.server import listen
from core.testing.caddy import edge
from core.testing.conformance.differences import NOT_BEHIND_THE_EDGE
from core.testing.conformance.grounds import check_there_is
from core.testing.edges import Edges


@pytest.fixture
def no_caddy(monkeypatch, tmp_path):
    """A machine for which there is no program."""
    monkeypatch.setattr("core.testing.edges.caddy", lambda: str(tmp_path / "caddy"))


async def test_an_edge_is_lent_again_and_never_twice_at_once():
    with ExitStack() as started:
        edges = Edges(started)
        async with edges.lent("tea") as first, edges.lent("tea") as second:
            assert first != second
        async with edges.lent("tea") as again:
            assert again in (first, second)


async def test_nobody_is_given_the_port_of_an_idle_edge():
    with ExitStack() as started:
        edges = Edges(started)
        async with edges.lent("tea") as front:
            with listen("127.0.0.1", front.port):
                pass
        with socket.socket() as probe, pytest.raises(OSError, match="in use"):
            probe.bind(("127.0.0.1", front.port))
        async with edges.lent("tea"):
            listen("127.0.0.1", front.port).close()


def test_an_edge_that_does_not_start_says_why():
    with pytest.raises(RuntimeError, match="soon"), edge({"tea": ["127.0.0.1:1"]}, EDGE_HEALTH_INTERVAL="soon"):
        pytest.fail("it runs")


RUN = "from core.testing.caddy import edge\nwith edge({'tea': ['127.0.0.1:1']}) as url: print(url, flush=True); input()"


async def test_an_edge_ends_with_a_run_that_was_killed(becomes):
    pipe = asyncio.subprocess.PIPE
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, stdin=pipe, stdout=pipe)
    assert run.stdout
    url = (await run.stdout.readline()).decode().strip()
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 404
        run.kill()
        await run.wait()

        async def has_ended() -> bool:
            try:
                await client.get(url)
            except httpx.TransportError:
                return True
            return False

        await becomes(has_ended)


def test_where_there_is_no_caddy_the_suite_says_so(no_caddy):
    check_there_is("mounted")
    with pytest.raises(pytest.skip.Exception, match="NOTHING IS TESTED BEHIND THE EDGE"):
        check_there_is("edge")


@pytest.mark.parametrize("test", NOT_BEHIND_THE_EDGE)
def test_what_does_not_ask_the_edge_says_why(test):
    check_there_is("mounted", test)
    with pytest.raises(pytest.skip.Exception, match=NOT_BEHIND_THE_EDGE[test][:20]):
        check_there_is("edge", test)
