"""From a registration to a paid invoice and back out, as a client sees it."""

import pytest
from people import Person, admin_of, member, new_price
from topologies import Product

from core.testing import problem


@pytest.fixture
def admin(product: Product) -> Person:
    """The admin of the product."""
    return admin_of(product)


@pytest.fixture
def price(admin: Person) -> dict:
    """A monthly price of 19.90 EUR and 21 % tax."""
    return new_price(admin)


def balances(admin: Person, currency: str) -> dict[str, int]:
    """What each account of the books amounts to, in one currency."""
    accounts = admin.billing.get("/v1/ledger/accounts").raise_for_status().json()["data"]
    of_currency = [account for account in accounts if account["balance"]["currency"] == currency]
    return {account["account"]: account["balance"]["amount"] for account in of_currency}


def charged(admin: Person) -> int:
    """What customers have paid in euro: what the provider holds for us, and has kept for itself."""
    euros = balances(admin, "EUR")
    return euros.get("provider_clearing", 0) + euros.get("fees", 0)


def currencies(admin: Person) -> set[str]:
    """The currencies that the books are kept in."""
    accounts = admin.billing.get("/v1/ledger/accounts").raise_for_status().json()["data"]
    return {account["balance"]["currency"] for account in accounts}


def test_somebody_registers_subscribes_pays_and_leaves(product: Product, admin: Person, price: dict) -> None:
    person = member(product)
    me = person.users.get("/v1/users/me").json()
    assert (me["email"], me["status"]) == (person.email, "active")

    plans = person.billing.get("/v1/plans", params={"limit": 100}).json()["data"]
    assert price["id"] in [each["id"] for plan in plans for each in plan["prices"]]

    card = person.billing.post(
        "/v1/payment-methods", json={"provider_token": "pm_card_visa"}, headers={"Idempotency-Key": "card"}
    )
    assert card.status_code == 201, card.text

    before = charged(admin)
    order = {"json": {"price_id": price["id"]}, "headers": {"Idempotency-Key": "subscribe"}}
    subscription = person.billing.post("/v1/subscriptions", **order)
    assert (subscription.status_code, subscription.json()["status"]) == (201, "active"), subscription.text
    assert charged(admin) - before == 2408

    again = person.billing.post("/v1/subscriptions", **order)
    assert (again.status_code, again.content) == (201, subscription.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert charged(admin) - before == 2408

    (invoice,) = person.billing.get("/v1/invoices").json()["data"]
    assert invoice["status"] == "paid"
    assert invoice["number"]
    euros = {"currency": "EUR"}
    assert invoice["subtotal"] == {"amount": 1990, **euros}
    assert invoice["taxes"] == [{"rate": "0.21", "base": {"amount": 1990, **euros}, "amount": {"amount": 418, **euros}}]
    assert invoice["total"] == invoice["amount_paid"] == {"amount": 2408, **euros}
    assert invoice["amount_remaining"] == {"amount": 0, **euros}

    assert {currency: sum(balances(admin, currency).values()) for currency in currencies(admin)} == {"EUR": 0}

    assert person.users.delete("/v1/sessions/current").status_code == 204
    assert problem(person.users.get("/v1/users/me")) == (401, "unauthenticated")


def test_the_second_invoice_has_the_next_number(product: Product, price: dict) -> None:
    numbers = []
    for _ in range(2):
        person = member(product)
        card = {"json": {"provider_token": "pm_card_visa"}, "headers": {"Idempotency-Key": "card"}}
        person.billing.post("/v1/payment-methods", **card)
        order = {"json": {"price_id": price["id"]}, "headers": {"Idempotency-Key": "subscribe"}}
        assert person.billing.post("/v1/subscriptions", **order).status_code == 201
        numbers.append(person.billing.get("/v1/invoices").json()["data"][0]["number"])
    first, second = (int(number.rsplit("-", 1)[1]) for number in numbers)
    assert second == first + 1


def test_a_refreshed_token_works_and_the_signed_out_session_gives_no_more(product: Product) -> None:
    person = Person(product)
    person.register()
    tokens = person.sign_in()
    pair = person.users.post("/v1/sessions/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert pair.status_code == 200, pair.text
    person.bear(pair.json()["access_token"])
    assert person.users.get("/v1/users/me").status_code == 200
    assert person.users.delete("/v1/sessions/current").status_code == 204
    refused = person.users.post("/v1/sessions/refresh", json={"refresh_token": pair.json()["refresh_token"]})
    assert problem(refused) == (401, "invalid_refresh_token")


def test_a_demo_catalog_with_two_plans_is_there_in_the_gateway(product: Product) -> None:
    if product.topology != "gateway":
        pytest.skip("only a local host seeds")
    plans = member(product).billing.get("/v1/plans", params={"limit": 100}).json()["data"]
    assert len([plan for plan in plans if plan["name"] != "Journey"]) == 2
    assert all(plan["prices"] for plan in plans)
