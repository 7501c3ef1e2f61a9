"""Every operation of every service, called by everybody who could try: whom it lets in is what its README says."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from people import Person, admin_of, member, new_price
from processes import run, until
from topologies import Product

from core.testing import problem
from core.tokens.keys import generate_key
from core.tokens.local import LocalKey

ROOT = Path(__file__).parents[2]
SERVICES = ("users", "billing")
ROW = re.compile(r"^\| `([A-Z]+) (/\S+)` \| (.+?) \|", re.MULTILINE)
REFUSED = (401, 403)
# An operation that ends the session of its caller.
ENDS_THE_SESSION = ("DELETE", "/v1/sessions/current")
# Well-formed, and nobody's.
NOTHING = "01h455vb4pex5vsknk084sn02q"
# What a placeholder stands for, by the prefix of its ids.
PREFIXES = {
    "credit_note_id": "crn",
    "payment_method_id": "pm",
    "plan_id": "plan",
    "price_id": "price",
    "refund_id": "rfd",
    "session_id": "ses",
    "user_id": "usr",
}


@dataclass(frozen=True)
class Operation:
    """One row of a table of operations."""

    service: str
    method: str
    path: str
    who: str

    @property
    def scope(self) -> str | None:
        """The scope that a caller must have."""
        return self.who.strip("`") if self.who.startswith("`") else None

    @property
    def users_or(self) -> str | None:
        """The scope with which who is no user may call it, too."""
        return self.who.removeprefix("a user, or ").strip("`") if self.who.startswith("a user, or ") else None

    def call(self, client: httpx.Client, product: Product, headers: dict[str, str]) -> httpx.Response:
        """Calls it with nothing in the body, on what is nobody's."""
        path = re.sub(r"{(\w+)}", lambda name: f"{PREFIXES.get(name[1], name[1][:3])}_{NOTHING}", self.path)
        url = getattr(product, self.service) + path
        return client.request(self.method, url, headers=headers)


def operations() -> Iterator[Operation]:
    """What the services say of themselves."""
    for service in SERVICES:
        page = (ROOT / "services" / service / "README.md").read_text()
        section = page.partition("\n## Operations\n")[2].partition("\n## ")[0]
        for method, path, who in ROW.findall(section):
            yield Operation(service, method, path, who)


@dataclass(frozen=True)
class Caller:
    """Somebody who tries; `kind` is None for who has no valid token."""

    name: str
    sign_in: Callable[[], dict[str, str]]
    kind: str | None = None
    scopes: frozenset[str] = frozenset()

    def may(self, operation: Operation) -> int | None:
        """The status with which this caller is refused; None for who is let in."""
        if self.kind is None:
            return 401
        if operation.scope is not None:
            return None if operation.scope in self.scopes else 403
        if self.kind == "user" or operation.who == "a caller":
            return None
        return None if operation.users_or in self.scopes else 403


def of(person: Person) -> Callable[[], dict[str, str]]:
    """Signs somebody in; their headers."""

    def sign_in() -> dict[str, str]:
        person.sign_in()
        return dict(person.headers)

    return sign_in


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Connections that stay: the walk is long."""
    with httpx.Client(timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def admin(product: Product) -> Person:
    """Who may do everything."""
    return admin_of(product)


@pytest.fixture(scope="module")
def appointed(product: Product, admin: Person) -> Callable[..., Person]:
    """`appointed(roles=["user", "support"])`: somebody whom an admin has changed."""

    def make(**change: Any) -> Person:
        person = member(product)
        headers = {**admin.headers, "If-Match": "*", "Content-Type": "application/merge-patch+json"}
        url = f"{product.users}/v1/users/{person.id}"
        changed = httpx.patch(url, json=change, headers=headers)
        assert changed.status_code == 200, changed.text
        return person

    return make


@pytest.fixture(scope="module")
def machine(product: Product) -> Callable[..., dict[str, str]]:
    """`machine("users:read")`: the headers of a new machine client with these scopes."""

    def make(*scopes: str) -> dict[str, str]:
        asked = [part for scope in scopes for part in ("--scope", scope)]
        name = f"machine-{time.monotonic_ns()}"
        said = run("users", "create-client", name, *asked, environment=product.operator).stdout
        shown = dict(re.findall(r"^(client_\w+): (\S+)$", said, re.MULTILINE))
        assert shown.keys() == {"client_id", "client_secret"}, said
        answer = httpx.post(
            f"{product.users}/v1/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(shown["client_id"], shown["client_secret"]),
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return make


SUPPORT = frozenset({"users:read", "billing:read", "audit:read"})
EVERYTHING = SUPPORT | {"users:write", "billing:write", "catalog:write"}


@pytest.fixture(scope="module")
def callers(
    product: Product, admin: Person, appointed: Callable[..., Person], machine: Callable[..., dict[str, str]]
) -> list[Caller]:
    """Everybody."""
    suspended = member(product)
    headers = dict(suspended.headers)
    change = {**admin.headers, "If-Match": "*"}
    url = f"{product.users}/v1/users/{suspended.id}"
    assert httpx.patch(url, json={"status": "suspended"}, headers=change).status_code == 200

    def is_known_everywhere() -> bool:
        answers = (httpx.get(f"{url}/v1/customers/me", headers=headers) for url in (product.billing,))
        return all(answer.status_code == 401 for answer in answers)

    until(is_known_everywhere, "billing goes on believing the token of who was suspended")
    reader, everything = machine("users:read"), machine(*sorted(EVERYTHING))
    return [
        Caller("nobody", dict),
        Caller("somebody suspended", lambda: headers),
        Caller("a user", of(member(product)), "user"),
        Caller("support", of(appointed(roles=["user", "support"])), "user", SUPPORT),
        Caller("an admin", of(admin), "user", EVERYTHING),
        Caller("a machine that reads users", lambda: reader, "machine", frozenset({"users:read"})),
        Caller("a machine that may do everything", lambda: everything, "machine", EVERYTHING),
    ]


def test_there_is_something_to_walk():
    found = list(operations())
    assert {operation.service for operation in found} == set(SERVICES)
    assert {"anybody", "a user", "`users:read`", "`users:write`", "`audit:read`", "`catalog:write`"} <= {
        operation.who for operation in found
    }


def test_everybody_is_let_in_where_the_table_says_so_and_nowhere_else(
    client: httpx.Client, product: Product, callers: list[Caller]
):
    wrong = []
    for caller in callers:
        headers = caller.sign_in()
        for operation in operations():
            if operation.who == "anybody":
                continue
            status = operation.call(client, product, headers).status_code
            refused = status if status in REFUSED else None
            if refused != caller.may(operation) or status >= 500:
                wrong.append(f"{caller.name}: {operation.service} {operation.method} {operation.path}: {status}")
            if (operation.method, operation.path) == ENDS_THE_SESSION:
                headers = caller.sign_in()
    assert wrong == []


def test_whom_anybody_may_ask_asks_nobody_who_they_are(client: httpx.Client, product: Product, callers: list[Caller]):
    for operation in operations():
        if operation.who == "anybody":
            answers = {
                caller.name: operation.call(client, product, caller.sign_in()).status_code for caller in callers[:3]
            }
            assert len(set(answers.values())) == 1, (operation, answers)


# What everybody may see, whoever made it.
SHARED = {"plan_id", "provider"}


@pytest.fixture(scope="module")
def belongings(product: Product, admin: Person) -> dict[str, str]:
    """One thing of each kind that belongs to somebody, by the name that its id has in a path."""
    owner = member(product)
    keyed = iter(range(100))

    def post(path: str, body: dict[str, Any], *, by: Person = owner) -> dict[str, Any]:
        answer = by.billing.post(path, json=body, headers={"Idempotency-Key": f"belongings-{next(keyed)}"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    card = post("/v1/payment-methods", {"provider_token": "pm_card_visa"})
    order = {"price_id": new_price(admin)["id"], "payment_method_id": card["id"]}
    subscription = post("/v1/subscriptions", order)
    [invoice] = owner.billing.get("/v1/invoices").json()["data"]
    amount = {"amount": 1, "currency": invoice["currency"]}
    lines = [{"invoice_line_id": invoice["lines"][0]["id"], "net_amount": amount}]
    note = post("/v1/credit-notes", {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned"}, by=admin)
    [session] = owner.users.get("/v1/sessions").json()["data"]
    return {
        "session_id": session["id"],
        "customer_id": subscription["customer_id"],
        "credit_note_id": note["id"],
        "payment_method_id": card["id"],
        "subscription_id": subscription["id"],
        "invoice_id": invoice["id"],
    }


def test_what_is_somebody_elses_is_not_there(product: Product, belongings: dict[str, str]):
    stranger = member(product)
    for operation in operations():
        [placeholder, *_] = re.findall(r"{(\w+)}", operation.path) or [None]
        if operation.scope is None and placeholder not in {None, *SHARED}:
            url = getattr(product, operation.service) + operation.path.replace(
                f"{{{placeholder}}}", belongings[placeholder]
            )
            headers = {**stranger.headers, "Idempotency-Key": "stranger", "If-Match": "*"}
            body = {} if operation.method in {"PATCH", "POST"} else None
            response = httpx.request(operation.method, url, headers=headers, json=body, timeout=30)
            assert response.status_code == 404, (operation, response.text)


def _encoded(part: dict[str, Any] | bytes) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _altered(token: str, *, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """The token with something else said, under the signature that it has."""
    parts = token.split(".")
    for place, change in enumerate((header or {}, claims or {})):
        said = json.loads(base64.urlsafe_b64decode(parts[place] + "=="))
        parts[place] = _encoded({**said, **change})
    return ".".join(parts)


def forgeries(token: str, jwk: dict[str, str]) -> dict[str, str]:
    """What somebody makes of a good token who has everything but the private key."""
    public = jwt.PyJWK(jwk).key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    unsigned = f"{_encoded({**header, 'alg': 'none'})}.{_encoded(claims)}."
    hs256 = {"typ": "at+jwt", "kid": header["kid"]}
    another = generate_key()
    return {
        "no algorithm": unsigned,
        "no algorithm, the old signature": _altered(token, header={"alg": "none"}),
        "HS256 with the public key": _hs256(claims, pem, hs256),
        "a key of its own behind jku": _altered(token, header={"jku": "https://example.com/jwks.json"}),
        "a key of its own in jwk": jwt.encode(claims, another, "ES256", headers={**header, "jwk": jwk}),
        "another key under our kid": jwt.encode(claims, another, "ES256", headers=header),
        "an unknown kid": _altered(token, header={"kid": "unknown"}),
        "another subject": _altered(token, claims={"sub": f"usr_{NOTHING}"}),
        "more scopes": _altered(token, claims={"scope": " ".join(sorted(EVERYTHING))}),
        "a later end": _altered(token, claims={"exp": now + 10_000}),
        "another type": _altered(token, header={"typ": "JWT"}),
        "nothing of a token": "nonsense",
    }


def _hs256(claims: dict[str, Any], secret: bytes, header: dict[str, Any]) -> str:
    # The library refuses to take a public key for a secret; an attacker does not.
    key = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signed = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(claims)}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), secret))}"


def minted(folder: Path) -> dict[str, str]:
    """Tokens with a good signature, by a key that this machine believes, that say something wrong."""
    key = LocalKey.open(folder, environment="local")
    now = int(time.time())
    good = {
        "iss": "urn:local",
        "aud": ["api"],
        "sub": f"svc_{NOTHING}",
        "client_id": "tests",
        "iat": now,
        "exp": now + 300,
        "jti": "1",
        "scope": " ".join(sorted(EVERYTHING)),
    }
    header = {"kid": key.kid, "typ": "at+jwt"}

    def signed(claims: dict[str, Any], **more: str) -> str:
        return jwt.encode({**good, **claims}, key.private, "ES256", headers={**header, **more})

    return {
        "expired": signed({"exp": now - 120, "iat": now - 400}),
        "not valid yet": signed({"nbf": now + 3600}),
        "issued in the future": signed({"iat": now + 3600}),
        "for another audience": signed({"aud": ["other"]}),
        "of another issuer": signed({"iss": "https://evil.example"}),
        "of no type": signed({}, typ="JWT"),
        "an ID token": signed({}, typ="id_token+jwt"),
        "a subject that is neither": signed({"sub": f"ses_{NOTHING}"}),
        "a user without a session": signed({"sub": f"usr_{NOTHING}"}),
    }


def test_no_forgery_is_let_in_anywhere(client: httpx.Client, product: Product):
    person = member(product)
    token = person.headers["Authorization"].removeprefix("Bearer ")
    [jwk, *_] = httpx.get(f"{product.users}/.well-known/jwks.json").json()["keys"]
    tokens = {**forgeries(token, jwk), **minted(product.data_dir)}
    let_in = []
    for operation in operations():
        if operation.who == "anybody":
            continue
        for name, forged in tokens.items():
            response = operation.call(client, product, {"Authorization": f"Bearer {forged}"})
            if problem(response) != (401, "unauthenticated"):
                let_in.append(f"{operation.method} {operation.path}: {name}: {response.status_code}")
    assert let_in == []
    # The token itself is good.
    assert person.users.get("/v1/users/me").status_code == 200
