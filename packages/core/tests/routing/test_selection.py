"""A deployment serves some of a service's routers; whatever it leaves out is nowhere to be seen."""

import pytest

from core.application import service as make_service
from core.mount import ServiceMount
from core.routing import Router, selected
from core.settings import ConfigurationError, load
from core.testing import SERVICE_URL, Host, problem, running
from core.testing.open_router import OpenRouter


def router_of(tag: str, prefix: str) -> Router:
    router = OpenRouter(prefix=prefix, tags=[tag])

    @router.get("", name=f"read_{prefix[1:3]}")
    async def read() -> list[str]:
        return [prefix]

    return router


ROUTERS = [
    router_of("invoices", "/v1/invoices"),
    router_of("plans", "/v1/plans"),
    router_of("invoices", "/v2/invoices"),
]
PATHS = ["/v1/invoices", "/v1/plans", "/v2/invoices"]


@pytest.fixture
def build(settings, ports):
    """`build("plans")`: the service with `EXAMPLE_ROUTERS=plans`."""
    return lambda *names: make_service(
        "example", settings.model_copy(update={"routers": names}), ports, routers=ROUTERS
    )


@pytest.mark.parametrize(
    ("names", "statuses"),
    [
        ((), [200, 200, 200]),
        (("plans",), [404, 200, 404]),
        (("invoices",), [200, 404, 200]),
        (("plans", "invoices"), [200, 200, 200]),
    ],
)
@pytest.mark.parametrize("mounted", [False, True], ids=["standalone", "mounted"])
async def test_the_chosen_routers_are_served_in_all_their_versions(build, names, statuses, mounted):
    app = build(*names)
    served = Host(ServiceMount("example", app)) if mounted else app
    async with running(served, base_url=f"{SERVICE_URL}/example" if mounted else SERVICE_URL) as client:
        answers = [await client.get(path) for path in PATHS]
        document = (await client.get("/openapi.json")).json()
    assert [answer.status_code for answer in answers] == statuses
    assert {problem(answer) for answer in answers if answer.status_code != 200} <= {(404, "not_found")}
    assert list(document["paths"]) == [path for path, status in zip(PATHS, statuses, strict=True) if status == 200]


async def test_what_is_deprecated_may_be_succeeded_by_what_another_deployment_serves(service, settings, ports):
    chosen = settings.model_copy(update={"routers": ("things",)})
    async with running(service.create_app(chosen, ports)) as client:
        response = await client.get("/v1/things")
    assert response.headers["link"] == f'<{SERVICE_URL}/v2/things>; rel="successor-version"'


async def test_events_and_jobs_run_whatever_is_served(service, settings, ports, signed_in, admin, becomes):
    chosen = settings.model_copy(update={"routers": ("things_v2",)})
    app = service.create_app(chosen, ports)
    assert app.jobs == service.create_app(settings, ports).jobs
    async with running(app) as client:
        headers = signed_in() | {"Idempotency-Key": "1"}
        assert (await client.post("/v1/things", json={"name": "a"}, headers=headers)).status_code == 404
        assert (await client.post("/v2/things", json={"label": "a"}, headers=headers)).status_code == 201
        assert await becomes(lambda: admin.fetchval("SELECT announced FROM things")) == 1


def test_a_name_that_no_router_has_stops_the_build_and_all_that_are_wrong_are_said_at_once():
    with pytest.raises(ConfigurationError) as refused:
        selected(ROUTERS, ("invoice", "plans", "elsewhere"), service="billing", setting="BILLING_ROUTERS")
    assert str(refused.value) == (
        "billing cannot start: 2 settings are wrong.\n\n"
        "BILLING_ROUTERS=invoice names a router that billing does not have.\n"
        "    Accepts: comma-separated: invoices, plans\n"
        "    To do: did you mean invoices?\n\n"
        "BILLING_ROUTERS=elsewhere names a router that billing does not have.\n"
        "    Accepts: comma-separated: invoices, plans\n"
        "    To do: name one of these, or leave it out for all"
    )


def test_a_service_refuses_its_own_setting_by_its_name(service, ports):
    settings = service.settings(environment="local", database={"url": "postgresql://u@db/d"}, routers=["nothing"])
    with pytest.raises(ConfigurationError, match="EXAMPLE_ROUTERS=nothing names a router that example does not have"):
        service.create_app(settings, ports)


def test_names_are_separated_by_commas(service):
    environ = {
        "EXAMPLE_ENVIRONMENT": "local",
        "EXAMPLE_DATABASE__URL": "postgresql://u@db/d",
        "EXAMPLE_ROUTERS": "things, things_v2",
    }
    assert load(service.settings, environ=environ).settings.routers == ("things", "things_v2")
