"""Somebody who uses the product over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
from processes import until
from topologies import ADMIN_EMAIL, ADMIN_PASSWORD, Product

PASSWORD = "quietly reads 42 invoices"


class Api:
    """One service as one client sees it; a connection a request, so that nothing needs closing."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = headers

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A GET."""
        return self._request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """A POST."""
        return self._request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        """A PATCH."""
        return self._request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """A DELETE."""
        return self._request("DELETE", path, **options)

    def _request(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        sent = {**self.headers, **(headers or {})}
        return httpx.request(method, self.url + path, headers=sent, timeout=20, **options)


class Person:
    """A client with an address, and an access token once signed in."""

    def __init__(self, product: Product, email: str | None = None, password: str = PASSWORD) -> None:
        self.email = email or f"{uuid4().hex}@example.com"
        self.password = password
        self.product = product
        self.id = ""
        self.headers: dict[str, str] = {}
        self.users = Api(product.users, self.headers)
        self.billing = Api(product.billing, self.headers)

    def register(self) -> None:
        """Registers, reads the mail and types in its token."""
        registration = {"email": self.email, "password": self.password}
        registered = self.users.post("/v1/users", json=registration)
        assert registered.status_code == 202, registered.text
        confirmed = self.users.post("/v1/email-verifications/confirm", json={"token": self.mailed_token()})
        assert confirmed.status_code == 200, confirmed.text
        self.id = confirmed.json()["id"]

    def mailed_token(self) -> str:
        """The token of the newest message, which leaves shortly after the answer."""
        until(lambda: bool(self.product.mail(self.email)), "no mail came")
        return self.product.mail(self.email)[0]["token"]

    def sign_in(self) -> dict[str, str]:
        """Signs in; later requests carry the token."""
        answer = self.users.post("/v1/sessions", json={"email": self.email, "password": self.password})
        assert answer.status_code == 201, answer.text
        self.bear(answer.json()["access_token"])
        return answer.json()

    def bear(self, token: str) -> None:
        """Sends this access token from now on."""
        self.headers["Authorization"] = f"Bearer {token}"


def member(product: Product) -> Person:
    """Somebody new, registered and signed in."""
    person = Person(product)
    person.register()
    person.sign_in()
    return person


def admin_of(product: Product) -> Person:
    """The admin of the product, signed in."""
    admin = Person(product, ADMIN_EMAIL, ADMIN_PASSWORD)
    admin.sign_in()
    return admin


def new_price(admin: Person) -> dict[str, Any]:
    """A monthly price of 19.90 EUR and 21 % tax, of a plan of its own."""
    plan = admin.billing.post("/v1/plans", json={"name": "Journey", "entitlements": {"seats": 3}})
    assert plan.status_code == 201, plan.text
    terms = {"model": "flat", "unit_amount": "1990", "currency": "EUR", "interval": "month", "tax_rate": "0.21"}
    price = admin.billing.post(f"/v1/plans/{plan.json()['id']}/prices", json=terms)
    assert price.status_code == 201, price.text
    return price.json()
