"""Somebody leaves: users asks, billing closes what it has of them and answers, and users erases."""

from people import admin_of, member, new_price
from processes import until
from topologies import Product

from core.testing import problem


def test_who_leaves_is_closed_by_billing_and_then_erased_by_users(product: Product):
    admin = admin_of(product)
    person = member(product)
    keyed = iter(range(10))

    def buy(path: str, body: dict[str, str]) -> dict[str, str]:
        answer = person.billing.post(path, json=body, headers={"Idempotency-Key": f"leaving-{next(keyed)}"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    card = buy("/v1/payment-methods", {"provider_token": "pm_card_visa"})
    order = {"price_id": new_price(admin)["id"], "payment_method_id": card["id"]}
    assert buy("/v1/subscriptions", order)["status"] == "active"

    leaving = person.users.delete("/v1/users/me", json={"current_password": person.password})
    assert leaving.status_code == 202, leaving.text
    assert problem(person.users.get("/v1/users/me")) == (401, "unauthenticated")

    def is_erased() -> bool:
        user = admin.users.get(f"/v1/users/{person.id}").json()
        return user["status"] == "erased" and user["email"] is None

    until(is_erased, "nobody has erased them")
    # Nothing of billing's can be bought or read with the token that is still within its five minutes.
    until(lambda: person.billing.get("/v1/subscriptions").status_code == 401, "billing goes on believing their token")
    actions = admin.users.get("/v1/audit-events", params={"subject": person.id}).json()["data"]
    assert [each["action"] for each in actions[:2]] == ["user.erased", "user.erasure_requested"]
