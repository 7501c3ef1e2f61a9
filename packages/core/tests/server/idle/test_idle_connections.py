"""Connections that say nothing cost little, and others notice nothing of them."""

import re
import sys
from contextlib import ExitStack

import httpx
import pytest

GET = b"GET /livez HTTP/1.1\r\nHost: a.test\r\n\r\n"
REQUESTS = 500
# A connection is about 6 KiB; half as much again, for the allocator.
KIB_MAX = 16


def test_idle_connections_cost_little_and_others_are_served(serve, eventually, connections, figures):
    server = serve(connections_max=connections + 100, keep_alive_s=3600, backlog=4096).ready()
    with httpx.Client(base_url=server.url) as others, ExitStack() as opened:
        descriptors, kib = opened_files(others), memory_kib(others)
        idle = [opened.enter_context(server.connect()) for _ in range(connections)]
        for each in idle[::2]:
            # The others have never said anything.
            each.sendall(GET)
        for each in idle[::2]:
            assert each.recv(1000).startswith(b"HTTP/1.1 200")
        eventually(lambda: opened_files(others) >= descriptors + connections)
        each_kib = (memory_kib(others) - kib) / connections
        figures.append(f"{connections} idle connections: {each_kib:.1f} KiB each")
        assert each_kib < KIB_MAX
        for _ in range(REQUESTS):
            assert others.post("/v1/bodies", content=b"x").json()["size"] == 1
            assert others.get("/livez").status_code == 200
        opened.close()
        eventually(lambda: opened_files(others) <= descriptors)
        # What has come once more costs no more: nothing is kept of who has left.
        again = memory_kib(others)
        for _ in range(connections):
            with server.connect() as each:
                each.sendall(GET)
                each.recv(1)
        assert (memory_kib(others) - again) / connections < 1


def opened_files(client: httpx.Client) -> int:
    return client.get("/v1/descriptors").json()["size"]


def memory_kib(client: httpx.Client) -> float:
    if sys.platform != "linux":
        # The process collector of Prometheus reads /proc.
        pytest.skip("memory is measured on Linux")
    (found,) = re.findall(r"^process_resident_memory_bytes (\S+)", client.get("/metrics").text, re.MULTILINE)
    return float(found) / 1024
