"""The first baseline: `FastAPI()` as its tutorial has it, with the endpoints that every subject has."""

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel


class UserResponse(BaseModel):
    """What a small GET answers."""

    user_id: int
    status: str = "active"


class Order(BaseModel):
    """A body of six fields."""

    reference: str
    customer: str
    quantity: int
    price_minor: int
    currency: str
    note: str | None = None


ORDER = (
    b'{"reference": "A-1", "customer": "Ada", "quantity": 3, "price_minor": 1299, "currency": "EUR", "note": "soon"}'
)
WRONG_ORDER = b'{"reference": "A-1", "customer": "Ada", "quantity": "three", "currency": "EUR"}'


async def get_user(user_id: int) -> UserResponse:
    """The small GET."""
    return UserResponse(user_id=user_id)


async def place_order(order: Order) -> Order:
    """The POST with six fields."""
    return order


def create_app(*, included: bool = False) -> FastAPI:
    """Nothing but the endpoints; `included`: through a router, as an application of more than one file has them."""
    app, router = FastAPI(), APIRouter()
    target = router if included else app.router
    target.add_api_route("/users/{user_id}", get_user)
    target.add_api_route("/orders", place_order, methods=["POST"], status_code=201)
    if included:
        app.include_router(router)
    return app


def create_wide_app() -> FastAPI:
    """500 routes in 50 routers, as FastAPI's manual divides a larger application."""
    app = FastAPI()
    for domain in range(50):
        router = APIRouter(prefix=f"/domain-{domain}", tags=[f"domain-{domain}"])
        for number in range(10):
            router.add_api_route(f"/things-{number}/{{user_id}}", get_user)
        app.include_router(router, prefix="/v1")
    return app
