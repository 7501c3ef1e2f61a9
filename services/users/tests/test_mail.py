"""Mail leaves after the commit and through any outage: a real SMTP server, stopped, killed and hung."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest

from core.settings import SecretUrl
from core.testing import problem, running
from core.testing.smtp import Received, SmtpServer, smtp_server

ADA = "ada@example.com"
PASSWORD = "plum tractor orbit velvet"
# More than an event has before it is dead.
TRIES = 15


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    """The mail server of this test alone."""
    with smtp_server() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    """What waits for the mail server is tried again at once."""
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.01)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MIN", 0.01)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 0.05)


@pytest.fixture
def timeout_s() -> float:
    """A busy machine is no outage."""
    return 60


@pytest.fixture
async def client(build, server, timeout_s) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that sends its mail to that server."""
    app = await build(mail={"url": SecretUrl(server.url), "timeout_s": timeout_s})
    async with running(app) as client:
        yield client


@pytest.fixture
def register(client) -> Callable[..., Awaitable[httpx.Response]]:
    """`await register("ada@example.com")`."""
    return lambda email=ADA, password=PASSWORD: client.post("/v1/users", json={"email": email, "password": password})


@pytest.fixture
def arrived(server, becomes) -> Callable[..., Awaitable[list[Received]]]:
    """`await arrived(2)`: the messages, when the server has as many."""

    async def run(count: int = 1) -> list[Received]:
        async def has() -> bool:
            return len(await asyncio.to_thread(server.messages)) >= count

        await becomes(has)
        return await asyncio.to_thread(server.messages)

    return run


@pytest.fixture
def tried(logs, becomes) -> Callable[..., Awaitable[None]]:
    """`await tried(15)`: returns when as many attempts have found the server away."""

    async def run(count: int) -> None:
        async def has() -> bool:
            return len([line for line in logs if line["event"] == "event waits for what is away"]) >= count

        await becomes(has)

    return run


@pytest.fixture
def settled(rows, becomes) -> Callable[[], Awaitable[None]]:
    """`await settled()`: returns when every event is handled or dead."""
    waiting = """
        SELECT 1 FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL
        UNION ALL SELECT 1 FROM inbox WHERE handled_at IS NULL AND dead_at IS NULL
    """

    async def none_waits() -> bool:
        return not await rows(waiting)

    return lambda: becomes(none_waits)


def token_in(received: Received) -> str:
    found = re.search(r":\n\n(\S+)\n\n", received.text)
    assert found
    return found[1]


async def test_the_message_goes_to_the_address_and_carries_the_token_that_proves_it(client, register, arrived, settled):
    assert (await register("Ada@Example.com")).status_code == 202
    [received] = await arrived()
    assert (received.sender, received.recipients) == ("users@localhost", ["Ada@Example.com"])
    assert (received.mail["To"], received.mail["Subject"]) == ("Ada@Example.com", "Confirm your address")
    confirmed = await client.post("/v1/email-verifications/confirm", json={"token": token_in(received)})
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "active")


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_server_that_is_down_holds_back_no_registration_and_loses_no_mail(
    client, register, server, arrived, tried, settled, rows, end
):
    await asyncio.to_thread(getattr(server, end))
    addresses = {f"{number}@example.com" for number in range(3)}
    for address in addresses:
        assert (await register(address)).status_code == 202
    assert len(await rows("SELECT 1 FROM users")) == 3
    await tried(3 * TRIES)
    assert await rows("SELECT 1 FROM inbox WHERE dead_at IS NOT NULL") == []
    await asyncio.to_thread(server.start)
    messages = await arrived(3)
    await settled()
    assert {each.recipients[0] for each in messages} == addresses
    assert len(server.messages()) == 3
    for each in messages:
        confirmed = await client.post("/v1/email-verifications/confirm", json={"token": token_in(each)})
        assert confirmed.status_code == 200


@pytest.mark.parametrize("behaviour", [{"MAIL": "550 5.7.1 not from you"}, {"RCPT": "450 4.7.1 come again"}], ids=str)
async def test_a_server_that_takes_nothing_from_us_is_an_outage(register, server, arrived, tried, settled, behaviour):
    server.behave(**behaviour)
    assert (await register()).status_code == 202
    await tried(TRIES)
    assert server.messages() == []
    server.behave()
    await arrived()
    await settled()
    assert len(server.messages()) == 1


@pytest.mark.parametrize("timeout_s", [1])
async def test_a_server_that_hangs_holds_back_nobody(register, server, tried, becomes):
    server.behave(**{f"RCPT {ADA}": "hang"})
    await register()
    await register("bob@example.com")

    # Whose message is sent twice, where a machine was stopped for a second.
    async def arrived_for(address: str) -> bool:
        return any(each.recipients == [address] for each in await asyncio.to_thread(server.messages))

    await becomes(lambda: arrived_for("bob@example.com"))
    await tried(1)
    assert not await arrived_for(ADA)
    server.behave()
    await becomes(lambda: arrived_for(ADA))


async def test_an_address_that_is_refused_for_good_is_given_up_and_holds_back_nobody(
    register, server, arrived, settled, rows, becomes
):
    server.behave(**{f"RCPT {ADA}": "550 5.1.1 nobody of that name"})
    await register()
    await register("bob@example.com")
    await arrived()
    await becomes(lambda: rows("SELECT 1 FROM inbox WHERE dead_at IS NOT NULL"))
    [dead] = await rows("SELECT attempts, last_error, subject FROM inbox WHERE dead_at IS NOT NULL")
    assert (dead["attempts"], dead["last_error"]) == (12, "MailRefused")
    assert dead["subject"].endswith("/mail")
    # Its owner may ask again: what is dead is behind.
    server.behave()
    await register()
    assert [each.recipients for each in await arrived(2)] == [["bob@example.com"], [ADA]]
    await settled()


async def test_no_mail_tells_of_what_was_refused_or_rolled_back(register, rows, arrived, settled):
    assert problem(await register(password="too short")) == (422, "weak_password")
    await rows("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not this one''; END'
    """)
    await rows("""
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.address = 'ada@example.com') EXECUTE FUNCTION refuse()
    """)
    assert problem(await register()) == (500, "internal_error")
    await register("bob@example.com")
    await arrived()
    await settled()
    assert [each.recipients for each in await arrived()] == [["bob@example.com"]]
    assert len(await rows("SELECT 1 FROM outbox")) == 1


async def test_of_registrations_at_once_one_mail_has_the_token_and_nobody_else_gets_any(
    client, register, arrived, settled
):
    responses = await asyncio.gather(*(register() for _ in range(10)))
    assert {response.status_code for response in responses} == {202}
    await settled()
    messages = await arrived()
    assert len(messages) <= 10
    assert {tuple(each.recipients) for each in messages} == {(ADA,)}
    body = [{"token": token} for token in {token_in(each) for each in messages}]
    confirmed = [await client.post("/v1/email-verifications/confirm", json=each) for each in body]
    assert sorted(each.status_code for each in confirmed) == [200, *[400] * (len(body) - 1)]


async def test_nothing_is_sent_before_the_commit(register, server, rows, becomes, arrived, settled):
    await rows("""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END'
    """)
    await rows("""
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.address = 'ada@example.com') EXECUTE FUNCTION wait()
    """)
    await rows("SELECT pg_advisory_lock(1)")
    registering = asyncio.create_task(register())
    await becomes(lambda: rows("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"))
    # The relay and the dispatcher go on meanwhile: this one overtakes.
    await register("bob@example.com")
    assert [each.recipients for each in await arrived()] == [["bob@example.com"]]
    await rows("SELECT pg_advisory_unlock(1)")
    assert (await registering).status_code == 202
    assert [each.recipients for each in await arrived(2)] == [["bob@example.com"], [ADA]]


async def test_what_was_taken_without_an_answer_is_sent_again_with_the_same_token(
    client, register, server, arrived, settled
):
    """At least once, which is all that SMTP can (RFC 1047)."""
    server.behave(TAKEN="drop")
    await register()
    await arrived()
    server.behave()
    await settled()
    messages = await arrived(2)
    assert {token_in(each) for each in messages} == {token_in(messages[0])}
    body = {"token": token_in(messages[-1])}
    answers = [await client.post("/v1/email-verifications/confirm", json=body) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 400]
