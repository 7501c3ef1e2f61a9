"""A subscription over its life, as a client sees it: changed, not paid, paid again, cancelled, and its owner erased."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from people import Person, admin_of, member
from processes import until
from topologies import Product


class Subscriber:
    """Somebody who buys, and the business clock that an admin moves for them."""

    def __init__(self, product: Product, admin: Person) -> None:
        self.admin = admin
        self.person = member(product)
        self.subscription_id = ""

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A keyed POST that succeeds."""
        answer = self.person.billing.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def add_card(self, token: str) -> None:
        """A card that is charged from now on."""
        self.post("/v1/payment-methods", {"provider_token": token, "default": True})

    def subscribe(self, price: dict[str, Any]) -> dict[str, Any]:
        """The subscription that the rest of the life is about."""
        subscription = self.post("/v1/subscriptions", {"price_id": price["id"]})
        self.subscription_id = subscription["id"]
        return subscription

    def read(self) -> dict[str, Any]:
        """The subscription as it is."""
        return self.person.billing.get(f"/v1/subscriptions/{self.subscription_id}").json()

    def change(self, **change: Any) -> dict[str, Any]:
        """Changes the subscription, as it was read just before."""
        path = f"/v1/subscriptions/{self.subscription_id}"
        tag = self.person.billing.get(path).headers["etag"]
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": tag}
        answer = self.person.billing.patch(path, json=change, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def entitlements(self) -> dict[str, Any]:
        """What the subscriber may use."""
        return self.person.billing.get("/v1/customers/me/entitlements").json()["entitlements"]

    def is_now(self, status: str) -> None:
        """Waits until the subscription has this state."""
        until(lambda: self.read()["status"] == status, f"the subscription never became {status}")

    def advance_to(self, instant: str) -> None:
        """Moves billing's clock; what is due by then is billed at once."""
        moved = self.admin.billing.post("/v1/test-clock/advance", json={"to": instant})
        assert moved.status_code == 200, moved.text


@pytest.fixture
def admin(product: Product) -> Person:
    """The admin of the product."""
    return admin_of(product)


@pytest.fixture
def subscriber(product: Product, admin: Person) -> Subscriber:
    """Somebody new."""
    return Subscriber(product, admin)


def monthly(admin: Person, *, unit_amount: str, **entitlements: int) -> dict[str, Any]:
    """A monthly price without tax, of a plan of its own."""
    plan = admin.billing.post("/v1/plans", json={"name": "Journey", "entitlements": entitlements}).json()
    terms = {"model": "flat", "unit_amount": unit_amount, "currency": "EUR", "interval": "month"}
    return admin.billing.post(f"/v1/plans/{plan['id']}/prices", json=terms).json()


def middle(subscription: dict[str, Any]) -> str:
    """The instant at half of the running period."""
    start, end = (datetime.fromisoformat(subscription[f"current_period_{each}"]) for each in ("start", "end"))
    return (start + (end - start) / 2).isoformat()


def beyond(subscription: dict[str, Any]) -> str:
    """An hour after the end of the running period."""
    return (datetime.fromisoformat(subscription["current_period_end"]) + timedelta(hours=1)).isoformat()


def test_a_subscription_is_changed_is_not_paid_is_paid_again_and_ends_with_its_owner(
    product: Product, admin: Person, subscriber: Subscriber
):
    small, large = (monthly(admin, unit_amount=amount, seats=seats) for amount, seats in (("1000", 3), ("2000", 10)))
    subscriber.add_card("pm_card_visa")
    bought = subscriber.subscribe(small)
    assert (bought["status"], bought["latest_invoice"]["total"]["amount"]) == ("active", 1000)
    assert subscriber.entitlements() == {"seats": 3}

    subscriber.advance_to(middle(bought))
    terms = {"price_id": large["id"], "proration": "invoice_now", "effective": "now"}
    asked = {"subscription_id": subscriber.subscription_id, **terms}
    preview = subscriber.person.billing.post("/v1/invoices/preview", json=asked).json()
    changed = subscriber.change(**terms)
    # At half of the period, give or take the seconds that this test has taken.
    assert changed["latest_invoice"]["total"]["amount"] == pytest.approx(500, abs=1)
    assert preview["total"]["amount"] == pytest.approx(500, abs=1)
    assert (changed["status"], changed["latest_invoice"]["status"]) == ("active", "paid")
    assert subscriber.entitlements() == {"seats": 10}

    subscriber.add_card("pm_card_chargeCustomerFail")
    subscriber.advance_to(beyond(changed))
    subscriber.is_now("past_due")
    unpaid = subscriber.read()["latest_invoice"]
    assert (unpaid["status"], unpaid["amount_remaining"]["amount"]) == ("open", 2000)
    assert subscriber.entitlements() == {"seats": 10}

    subscriber.add_card("pm_card_visa")
    subscriber.is_now("active")
    assert subscriber.read()["latest_invoice"]["status"] == "paid"

    ended = subscriber.post(f"/v1/subscriptions/{subscriber.subscription_id}/cancel", {"when": "now"})
    assert ended["status"] == "canceled"
    assert subscriber.entitlements() == {}
    assert {sum(balances.values()) for balances in books(admin).values()} == {0}

    person = subscriber.person
    left = person.users.delete("/v1/users/me", json={"current_password": person.password})
    assert left.status_code == 202, left.text
    until(lambda: admin.users.get(f"/v1/users/{person.id}").json()["status"] == "erased", "nobody has erased them")


def books(admin: Person) -> dict[str, dict[str, int]]:
    """What each account amounts to, by currency."""
    found: dict[str, dict[str, int]] = {}
    for account in admin.billing.get("/v1/ledger/accounts", params={"limit": 100}).json()["data"]:
        found.setdefault(account["balance"]["currency"], {})[account["account"]] = account["balance"]["amount"]
    return found
