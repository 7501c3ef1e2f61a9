"""Nobody can say who they are; a proxy that is trusted can say who called it."""

from ipaddress import ip_network

import pytest
from bare import Wire, bare
from fastapi import Request
from pydantic import BaseModel

from core.middleware.client_address import client_address
from core.testing.open_router import OpenRouter

OURS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def asked(*forwarded: str, peer: str | None = "10.0.0.1"):
    headers = [(b"host", b"service.test"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    return {"client": (peer, 50_000) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("scope", "client"),
    [
        (asked(), "10.0.0.1"),
        (asked("192.0.2.1"), "192.0.2.1"),
        (asked("192.0.2.1, 10.0.0.2"), "192.0.2.1"),
        # What the client wrote itself stands left of its own address.
        (asked("10.9.9.9, 192.0.2.1, 10.0.0.2"), "192.0.2.1"),
        (asked("203.0.113.9, 192.0.2.1"), "192.0.2.1"),
        (asked("10.0.0.3, 10.0.0.2"), "10.0.0.3"),
        # Several headers are one list (RFC 9110, section 5.3).
        (asked("203.0.113.9", "192.0.2.1", "10.0.0.2"), "192.0.2.1"),
        (asked("192.0.2.1:4711"), "192.0.2.1"),
        (asked("[2001:db8::1]:4711"), "2001:db8::1"),
        (asked("2001:db8::1"), "2001:db8::1"),
        (asked("192.0.2.1", peer="fd00::1"), "192.0.2.1"),
        (asked("192.0.2.1", peer="::ffff:10.0.0.1"), "192.0.2.1"),
        # Not an address: the last one that is known is as far as belief goes.
        (asked("unknown"), "10.0.0.1"),
        (asked("192.0.2.1, <script>, 10.0.0.2"), "10.0.0.2"),
        (asked(""), "10.0.0.1"),
        # Not called by a proxy of ours.
        (asked("192.0.2.1", peer="198.51.100.1"), "198.51.100.1"),
        (asked("192.0.2.1", peer="testclient"), "testclient"),
        (asked("192.0.2.1", peer=None), None),
    ],
)
def test_the_nearest_stranger_is_the_client(scope, client):
    assert client_address(scope, OURS) == client


def test_without_trusted_proxies_nobody_is_believed():
    assert client_address(asked("192.0.2.1"), ()) == "10.0.0.1"


class Seen(BaseModel):
    """Who a handler thinks has called."""

    client: str | None


seen = OpenRouter(prefix="/v1/seen", tags=["seen"])


@seen.get("")
async def who(request: Request) -> Seen:
    return Seen(client=request.client.host if request.client else None)


@pytest.mark.parametrize(
    ("proxies", "peer", "client"),
    [
        (["10.0.0.0/8"], ("10.0.0.1", 5), "192.0.2.1"),
        ([], ("10.0.0.1", 5), "10.0.0.1"),
        (["10.0.0.0/8"], None, None),
    ],
)
async def test_line_and_handler_know_the_same_client(requests, proxies, peer, client):
    app = bare(seen, server={"trusted_proxies": proxies})
    wire = Wire(app, "GET", "/v1/seen", client=peer, headers=[(b"x-forwarded-for", b"192.0.2.1")])
    wire.arrive()
    await wire.start()
    assert (Seen.model_validate_json(wire.body).client, requests()[0]["client"]) == (client, client)
