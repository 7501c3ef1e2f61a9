"""What is measured in process: applications on core, without a database, with every layer that production has."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bench.bare import get_user, place_order
from core.application import ChassisApp, chassis
from core.mount import Dispatch, Mounts, ServiceMount
from core.routing import Router, public
from core.settings import ChassisSettings
from core.web.probes import Readiness

users = Router(prefix="/users", tags=["users"])
orders = Router(prefix="/orders", tags=["orders"])
users.add_api_route("/{user_id}", public(get_user))
orders.add_api_route("", public(place_order), methods=["POST"], status_code=201)


@asynccontextmanager
async def nothing_to_open(_readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
    """The lifespan of an application without resources."""
    yield {}


def create_app(*routers: Router, ratio: float = 0, name: str = "bench") -> ChassisApp:
    """The full chain around the endpoints of the baselines; `ratio` of the requests are traced, if somebody listens."""
    settings = ChassisSettings.model_validate(
        {
            "public_url": "https://api.example",
            # With it, CORS is in the chain.
            "cors": {"allow_origins": ["https://app.example"]},
            "tracing": {"ratio": ratio},
        }
    )
    return chassis(name, settings, routers=routers or (users, orders), lifespan=nothing_to_open)


def mounted(app: ChassisApp) -> Dispatch:
    """The app below `/bench` of a host that is built like the gateway."""
    return Dispatch(create_app(name="host"), Mounts([ServiceMount("bench", app)]))


def create_wide_app() -> ChassisApp:
    """500 routes in 50 routers, as `core.routing` has them."""
    routers = []
    for domain in range(50):
        router = Router(prefix=f"/v1/domain-{domain}", tags=[f"domain-{domain}"])
        for number in range(10):
            router.add_api_route(f"/things-{number}/{{user_id}}", get_user, name=f"get_user_{number}")
        routers.append(router)
    return create_app(*routers)
