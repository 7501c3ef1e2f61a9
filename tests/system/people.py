"""Somebody who uses the product over HTTP."""

import time
from uuid import uuid4

import httpx
from processes import Product

PASSWORD = "correct horse battery staple"
MAIL_PATIENCE_S = 10


class Person:
    """A client with an address, and an access token once signed in."""

    def __init__(self, product: Product, email: str | None = None, password: str = PASSWORD) -> None:
        self.email = email or f"{uuid4().hex}@example.com"
        self.password = password
        self.product = product
        self.users = httpx.Client(base_url=product.users, timeout=20)
        self.billing = httpx.Client(base_url=product.billing, timeout=20)

    def register(self) -> None:
        """Registers, reads the mail and types in its token."""
        registration = {"email": self.email, "password": self.password}
        assert self.users.post("/v1/users", json=registration).status_code == 202
        confirmed = self.users.post("/v1/email-verifications/confirm", json={"token": self.mailed_token()})
        assert confirmed.status_code == 200, confirmed.text

    def mailed_token(self) -> str:
        """The token of the newest message, which leaves shortly after the answer."""
        deadline = time.monotonic() + MAIL_PATIENCE_S
        while not (mail := self.product.mail(self.email)):
            assert time.monotonic() < deadline, "no mail came"
            time.sleep(0.05)
        return mail[0]["token"]

    def sign_in(self) -> dict[str, str]:
        """Signs in; later requests carry the token."""
        answer = self.users.post("/v1/sessions", json={"email": self.email, "password": self.password})
        assert answer.status_code == 201, answer.text
        self.bear(answer.json()["access_token"])
        return answer.json()

    def bear(self, token: str) -> None:
        """Sends this access token from now on."""
        for client in (self.users, self.billing):
            client.headers["Authorization"] = f"Bearer {token}"


def member(product: Product) -> Person:
    """Somebody new, registered and signed in."""
    person = Person(product)
    person.register()
    person.sign_in()
    return person
