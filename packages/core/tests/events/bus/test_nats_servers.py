"""The servers that the setting names: who we are there, and whom we tell."""

import asyncio
import json
import re
import ssl
import subprocess
from pathlib import Path

import pytest
from company import logged, made, replica

from core.events.bus import BusUnavailable, LocalBus, open_bus
from core.events.bus.nats import connection, open_nats
from core.events.bus.nats.servers import parse_servers
from core.local.data_directory import workspace_root
from core.settings import EventSettings
from core.testing.nats import nats_server
from core.testing.network import free_port


def test_a_url_names_a_server_and_who_we_are_there():
    servers = parse_servers("nats://app:p%40ss@a.example.com,tls://token@[::1]:4333,nats://b.example.com:1")
    assert [server.url for server in servers] == [
        "nats://a.example.com:4222",
        "tls://[::1]:4333",
        "nats://b.example.com:1",
    ]
    assert [server.credentials for server in servers] == [{"user": "app", "password": "p@ss"}, {"token": "token"}, {}]
    assert "p@ss" not in str(servers)


async def test_the_setting_chooses_the_bus(nats, stream):
    async with open_bus(EventSettings(url=nats.url, stream=stream), name="test") as bus:
        await bus.publish([made()])
    async with open_bus(EventSettings(url="local:"), name="test") as bus:
        assert isinstance(bus, LocalBus)


async def test_one_of_several_is_enough(nats, stream):
    urls = f"nats://127.0.0.1:{free_port()},{nats.url},nats://127.0.0.1:{free_port()}"
    async with open_nats(urls, stream=stream, name="test") as bus:
        async with asyncio.timeout(30):
            await _published(bus)


async def test_a_token_is_enough(stream):
    with nats_server("--auth", "t@ken") as server:
        url = server.url.replace("nats://", "nats://t%40ken@")
        async with open_nats(url, stream=stream, name="test") as bus:
            await bus.publish([made()])


async def test_a_password_is_not_told_where_tls_was_asked_for_and_is_not_offered(stream):
    heard = bytearray()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.0","max_payload":1048576}\r\n')
        heard.extend(await reader.read())
        writer.close()

    async with await asyncio.start_server(pretend, "127.0.0.1", 0) as false:
        port = false.sockets[0].getsockname()[1]
        async with open_nats(f"tls://app:secret@127.0.0.1:{port}", stream=stream, name="test") as bus:
            with pytest.raises(BusUnavailable, match="offers no TLS"):
                await bus.publish([made()])
    assert heard == b""


async def test_tls_is_spoken_with_whom_the_authorities_know(stream, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    await asyncio.to_thread(
        subprocess.run, [*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    with nats_server("--tls", "--tlscert", str(certificate), "--tlskey", str(key)) as server:
        url = f"tls://localhost:{server.port}"
        async with open_nats(url, stream=stream, name="test") as bus:
            with pytest.raises(BusUnavailable, match="certificate verify failed"):
                await bus.publish([made()])
        monkeypatch.setattr(connection, "_trusted", lambda: ssl.create_default_context(cafile=certificate))
        async with open_nats(url, stream=stream, name="test") as bus:
            await bus.publish([made()])


async def test_a_permission_that_is_missing_is_told_once(stream, tmp_path, logs, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 1)
    config = tmp_path / "nats.conf"
    config.write_text('authorization { users = [{user: a, password: b, permissions: {publish: {deny: "*.users.>"}}}] }')
    with nats_server("--config", str(config)) as server:
        url = server.url.replace("nats://", "nats://a:b@")
        async with open_nats(url, stream=stream, name="test") as bus:
            for _ in range(2):
                with pytest.raises(BusUnavailable):
                    await bus.publish([made()])
    [told] = [line["cause"] for line in logs if line["event"] == "nats complains"]
    assert "permissions violation" in told.lower()


@pytest.fixture
def configured(stream, tmp_path) -> Path:
    """A configuration with the permissions of the page for operators, for two services."""
    page = (workspace_root() / "docs" / "operations.md").read_text()
    rows = dict(re.findall(r"^\| (publish|subscribe) \| (.*) \|$", page, re.MULTILINE))
    accounts = []
    for name in ("users", "billing"):
        # The page tells it of a stream and a service of that name.
        told = {verb: row.replace("events", stream).replace("billing", name) for verb, row in rows.items()}
        may = {verb: re.findall(r"`([^`]+)`", row) for verb, row in told.items()}
        accounts.append({"user": name, "password": "secret", "permissions": may})
    config = tmp_path / "nats.conf"
    config.write_text(json.dumps({"authorization": {"users": accounts}}))
    return config


async def test_the_permissions_on_the_page_are_enough(configured, users, billing, over, becomes, logs):
    with nats_server("--config", str(configured)) as server:
        ours, theirs = (over(server.url.replace("://", f"://{name}:secret@")) for name in ("users", "billing"))
        async with replica(users, ours), replica(billing, theirs, billing.noting()):
            await users.emit(n=1)
            await becomes(billing.notes)
    assert not await logged(logs, "nats complains")


async def _published(bus) -> None:
    while True:
        try:
            return await bus.publish([made()])
        except BusUnavailable:
            await asyncio.sleep(0.01)
