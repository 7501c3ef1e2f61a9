"""What an operator tells the process of the edge: to read its files anew, and to stop."""

import signal
from contextlib import ExitStack, suppress

import httpx
import pytest
from clients import PATIENCE_S, until
from upstreams import upstream

from core.testing.caddy import running_edge


def is_served(url: str) -> bool:
    """Whether somebody new is answered; a connection that comes while the files are read may be closed."""
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=PATIENCE_S).status_code == 200
    return False


def is_refused(url: str) -> bool:
    """Whether nobody new is let in."""
    with suppress(httpx.TransportError):
        httpx.get(url, timeout=PATIENCE_S)
        return False
    return True


def test_its_services_are_read_anew_when_it_is_told_and_only_if_all_of_it_is_valid(tmp_path):
    log = tmp_path / "edge.log"
    with ExitStack() as running:
        first, second = (running.enter_context(upstream()) for _ in range(2))
        edge = running.enter_context(running_edge({"things": [first.address]}, log=log))
        with edge.services.open("a") as services:
            services.write(f"import service others {second.address}\n")
        edge.process.send_signal(signal.SIGUSR1)
        until(lambda: is_served(f"{edge.url}/others/v1"))
        assert [seen.path for seen in second.seen] == ["/v1"]
        edge.services.write_text("import nothing\n")
        edge.process.send_signal(signal.SIGUSR1)
        until(lambda: "failed to reload" in log.read_text())
        assert httpx.get(f"{edge.url}/others/v1", timeout=PATIENCE_S).status_code == 200


def test_who_is_served_when_it_has_to_stop_is_served_to_the_end():
    with upstream() as behind, running_edge({"things": [behind.address]}) as edge:
        with httpx.stream("GET", f"{edge.url}/things/stream", timeout=PATIENCE_S) as response:
            parts = response.iter_raw()
            assert next(parts) == b"first"
            edge.process.terminate()
            until(lambda: is_refused(edge.url))
            behind.let_go.set()
            assert b"".join(parts) == b"last"
        assert edge.process.wait(PATIENCE_S) == 0


def test_who_takes_longer_than_it_may_is_cut_when_it_stops():
    with upstream() as behind, running_edge({"things": [behind.address]}, EDGE_GRACE="100ms") as edge:
        with httpx.stream("GET", f"{edge.url}/things/stream", timeout=PATIENCE_S) as response:
            parts = response.iter_raw()
            assert next(parts) == b"first"
            edge.process.terminate()
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                next(parts)
        assert edge.process.wait(PATIENCE_S) == 0
