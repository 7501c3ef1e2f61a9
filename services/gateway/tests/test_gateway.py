"""What the gateway adds to the services that it mounts, and what it leaves to them."""

import asyncio

import asyncpg
import pytest
from tea import app as tea

from core.errors import Conflict
from core.events.bus import BusUnavailable, LocalBus
from core.lifespan import StartupError
from core.settings import ConfigurationError
from core.testing import problem, running
from gateway.settings import GatewaySettings


async def test_a_request_reaches_the_service_that_its_path_names(client):
    await client.post("/tea/v1/cups", json={"name": "assam"})
    await client.post("/coffee/v1/cups", json={"name": "mocha"})
    assert {"name": "assam"} in (await client.get("/tea/v1/cups")).json()
    assert {"name": "mocha"} in (await client.get("/coffee/v1/cups")).json()


async def test_a_call_from_one_service_to_another_stays_in_the_process_and_keeps_the_request_id(client, logs):
    response = await client.get("/tea/v1/cups/elsewhere", headers={"X-Request-ID": "one-id"})
    assert response.json() == 1
    assert [(line["service.name"], line["request_id"]) for line in logs if line["event"] == "request"] == [
        ("coffee", "one-id"),
        ("tea", "one-id"),
    ]


async def test_what_one_service_announces_another_handles(client, becomes):
    await client.post("/tea/v1/cups", json={"name": "assam"})
    await becomes(lambda: has(client, "beside assam"))


async def has(client, name):
    return {"name": name} in (await client.get("/coffee/v1/cups")).json()


async def test_an_event_that_has_not_arrived_at_the_end_arrives_after_the_next_start(build, becomes):
    tried = asyncio.Event()

    async def refuse(*_):
        tried.set()
        raise BusUnavailable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalBus, "publish", refuse)
        async with running(await build()) as client:
            await client.post("/tea/v1/cups", json={"name": "assam"})
            await tried.wait()
            assert not await has(client, "beside assam")
    async with running(await build()) as client:
        await becomes(lambda: has(client, "beside assam"))


async def test_a_request_runs_exactly_one_chain(client):
    response = await client.get("/tea/v1/cups")
    assert len(response.headers.get_list("x-request-id")) == 1
    assert len(response.headers.get_list("x-content-type-options")) == 1


@pytest.mark.parametrize("path", ["/nothing", "/teas/v1/cups", "/tea/v1/nothing", "/coffee/nothing"])
async def test_an_unknown_path_is_a_problem_wherever_it_ends(client, path):
    assert problem(await client.get(path)) == (404, "not_found")


async def test_the_document_shows_all_services_and_nothing_collides(client):
    document = (await client.get("/openapi.json")).json()
    assert {"/tea/v1/cups", "/coffee/v1/cups"} <= document["paths"].keys()
    assert {"tea.Cup", "coffee.Cup", "tea.Problem"} <= document["components"]["schemas"].keys()
    operation_ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(operation_ids) == len(set(operation_ids)) == 6
    assert document["paths"]["/tea/v1/cups"]["post"]["tags"] == ["tea: cups"]


async def test_every_reference_of_the_document_leads_somewhere(client):
    document = (await client.get("/openapi.json")).json()
    references = _references(document)
    assert references
    for reference in references:
        _, section, name = reference.removeprefix("#/").split("/")
        assert name in document["components"][section], reference


def _references(node):
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()


async def test_the_documentation_needs_no_network(client):
    page = await client.get("/docs")
    assert "://" not in page.text
    assert (await client.get("/docs-assets/swagger-ui-bundle.js")).status_code == 200
    assert '"openapi.json"' in (await client.get("/docs-assets.js")).text


async def test_the_front_door_links_what_is_there(client, logs):
    page = await client.get("/")
    assert logs[-1]["route"] == "/"
    links = ["/docs", "/readyz", "/tea/docs", "/coffee/docs", "/_dev/api/mail"]
    assert all(f'href="{link}"' in page.text for link in links)
    assert [(await client.get(link)).status_code for link in links] == [200] * 5


async def test_the_gateway_is_ready_when_its_services_are(client):
    assert (await client.get("/readyz")).json()["checks"] == {"coffee.database": "ok", "tea.database": "ok"}


async def test_the_mailbox_shows_what_was_sent_newest_first(client):
    await client.post("/tea/v1/cups", json={"name": "first"})
    await client.post("/coffee/v1/cups", json={"name": "second"})
    mail = (await client.get("/_dev/api/mail", params={"to": "drinker@example.com"})).json()["data"]
    assert [(each["subject"], each["token"]) for each in mail] == [("second", "t-second"), ("first", "t-first")]
    assert set(mail[0]) == {"to", "subject", "text", "token", "sent_at"}


async def test_the_mailbox_of_somebody_else_is_empty(client):
    await client.post("/tea/v1/cups", json={"name": "first"})
    assert (await client.get("/_dev/api/mail", params={"to": "nobody@example.com"})).json() == {"data": []}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "127.3.2.1"])
async def test_the_mailbox_opens_for_names_of_this_machine(client, host):
    assert (await client.get("/_dev/api/mail", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1:8000",
        "[2001:db8::1]",
        "::1",
        "127.0.0.1:8000@evil.example",
        "",
    ],
)
async def test_the_mailbox_refuses_the_name_of_another_machine(client, host):
    assert problem(await client.get("/_dev/api/mail", headers={"Host": host})) == (403, "not_this_machine")


async def test_the_mailbox_refuses_a_request_that_names_two_machines(client):
    headers = [("Host", "127.0.0.1:8000"), ("Host", "evil.example")]
    assert problem(await client.get("/_dev/api/mail", headers=headers)) == (403, "not_this_machine")


@pytest.mark.parametrize(
    ("site", "status"), [("none", 200), ("same-origin", 200), ("same-site", 403), ("cross-site", 403)]
)
async def test_the_mailbox_refuses_the_page_of_another_site(client, site, status):
    assert (await client.get("/_dev/api/mail", headers={"Sec-Fetch-Site": site})).status_code == status


@pytest.mark.parametrize("address", ["abc", "a@b", "a b@example.com", "Ada <ada@example.com>"])
def test_an_admin_without_a_mail_address_is_refused_before_anything_starts(address):
    with pytest.raises(ConfigurationError, match="GATEWAY_ADMIN_EMAIL"):
        GatewaySettings(environment="local", admin_email=address)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "::"])
async def test_what_others_can_reach_has_no_developer_pages(build, host):
    async with running(await build(server={"host": host}), base_url="http://127.0.0.1:8000") as client:
        assert problem(await client.get("/_dev/api/mail")) == (404, "not_found")
        assert "_dev" not in (await client.get("/")).text


async def test_every_service_is_seeded_at_each_start(build):
    for _ in range(2):
        async with running(await build(), base_url="http://127.0.0.1:8000") as client:
            assert (await client.get("/tea/v1/cups")).json() == [{"name": "admin@example.com"}]


THEIRS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coffee'"


async def test_a_service_that_does_not_start_is_named_and_the_others_are_closed(build, cups):
    await asyncio.to_thread(cups.drop_database, "tea")
    with pytest.raises(StartupError, match="tea: database did not open"):
        async with running(await build()):
            pass
    admin = await asyncpg.connect(cups.url("postgres"))
    try:
        # Sessions end a moment after their client has gone.
        async with asyncio.timeout(5):
            while await admin.fetchval(THEIRS):  # noqa: ASYNC110 - a server has no events for its own state
                await asyncio.sleep(0.01)
    finally:
        await admin.close()


async def test_a_seed_that_fails_stops_the_start(build, monkeypatch):
    async def broken(_resources, _seed):
        raise Conflict("no room for an admin")

    monkeypatch.setattr(tea, "seed_local", broken)
    with pytest.raises(StartupError, match="no room for an admin"):
        async with running(await build()):
            pass


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_gateway_refuses_any_environment_but_local(environment):
    with pytest.raises(ConfigurationError, match="deploy each service on its own"):
        GatewaySettings(environment=environment, public_url="https://api.example.com")
