"""A service may do on the bus what it does there, and nothing in the name of another."""

import json

import pytest
from engine import SERVICES
from stack import Stack

# Runs where the service runs, with its address and its library.
ATTEMPTS = """
import asyncio, json, sys
from pathlib import Path
import nats

async def main(service, subjects, patterns):
    refused = []
    async def heard(failed):
        refused.append(str(failed))
    url = Path(f"/run/secrets/{service}_events__url").read_text().strip()
    connection = await nats.connect(url, error_cb=heard, allow_reconnect=False)
    for subject in subjects:
        await connection.publish(subject, b"{}")
    for pattern in patterns:
        await connection.subscribe(pattern)
    await connection.flush()
    stream = await connection.jetstream().stream_info("events")
    await connection.close()
    print(json.dumps({"refused": refused, "subjects": stream.config.subjects}))

asyncio.run(main(sys.argv[1], *json.loads(sys.argv[2])))
"""
API = "$JS.API"
NOBODYS = [
    *(f"{API}.STREAM.{verb}.events" for verb in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE", "MSG.GET", "SNAPSHOT")),
    f"{API}.STREAM.CREATE.other",
    f"{API}.CONSUMER.CREATE.other.mine",
    f"{API}.CONSUMER.DURABLE.CREATE.events.mine",
    "$SYS.REQ.SERVER.PING",
    "_INBOX.somebody.else",
]
PATTERNS = [">", "events.>", f"{API}.>", "$SYS.>"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_speaks_in_its_own_name_alone(stack: Stack, service: str):
    others = [f"events.{each}.forged" for each in [*SERVICES, "orders"] if each != service]
    asked = json.dumps([[*others, *NOBODYS], PATTERNS])
    run = stack.compose("exec", "-T", service, "python", "-c", ATTEMPTS, service, asked)
    told = json.loads(run.stdout)
    refused = " ".join(told["refused"]).lower()
    for subject in [*others, *NOBODYS]:
        assert f'permissions violation for publish to "{subject.lower()}"' in refused
    for pattern in PATTERNS:
        assert f'permissions violation for subscription to "{pattern.lower()}"' in refused
    # What it may: it asks for the stream, which a service has made.
    assert told["subjects"] == ["events.>"]


def test_nobody_comes_in_without_a_password(stack: Stack):
    script = """
import asyncio, nats
async def main():
    try:
        await nats.connect("nats://nats:4222", allow_reconnect=False)
    except Exception as refused:
        print(refused)
asyncio.run(main())
"""
    said = stack.compose("exec", "-T", "billing", "python", "-c", script).stdout
    assert "authorization violation" in said.lower()
