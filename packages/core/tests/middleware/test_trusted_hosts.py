"""A request under a name that is none of ours is refused."""

import pytest
from bare import Wire, bare

from core.testing import problem, running

HOSTS = ["api.example.com", "*.shops.example.com", "[2001:db8::1]"]


@pytest.fixture
async def client():
    async with running(bare(server={"trusted_hosts": HOSTS})) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    [
        "api.example.com",
        "API.example.COM",
        "api.example.com:8443",
        "a.shops.example.com",
        "a.b.shops.example.com:80",
        "[2001:db8::1]",
        "[2001:db8::1]:8000",
    ],
)
async def test_a_host_of_ours_is_served(client, host):
    assert problem(await client.get("/nothing-here", headers={"Host": host})) == (404, "not_found")


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "evil.example",
        "api.example.com.evil.example",
        "xapi.example.com",
        "shops.example.com",
        "evilshops.example.com",
        ".shops.example.com.evil.example",
        "[2001:db8::2]",
        "",
    ],
)
async def test_another_host_is_refused(client, host, requests):
    response = await client.get("/nothing-here", headers={"Host": host})
    assert problem(response) == (400, "unknown_host")
    assert host == "" or host not in response.text
    assert [line["status"] for line in requests()] == [400]


@pytest.mark.parametrize("hosts", [[], [b"api.example.com", b"evil.example"]])
async def test_no_host_and_two_hosts_are_none(hosts):
    wire = Wire(bare(server={"trusted_hosts": HOSTS}), "GET", "/x", headers=[(b"host", host) for host in hosts])
    await wire.start()
    assert wire.status == 400


async def test_a_probe_is_answered_under_any_name(client):
    for probe in ("/livez", "/readyz", "/startupz"):
        assert (await client.get(probe, headers={"Host": "10.1.2.3:8000"})).status_code == 200


async def test_without_the_setting_any_name_will_do():
    async with running(bare()) as client:
        assert (await client.get("/livez", headers={"Host": "anything"})).status_code == 200
