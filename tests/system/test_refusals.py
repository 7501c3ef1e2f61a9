"""Bad input over real HTTP: the same problem document from a mounted service and from one that runs alone."""

import base64
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import jwt
import pytest
from people import Person, admin_of, member, new_price
from topologies import Product

from core.testing import problem
from core.tokens.keys import generate_key
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token

BODY_BYTES_MAX = 1_048_576
ORIGIN = {"Origin": "https://app.example"}
STRANGER = "usr_01h455vb4pex5vsknk084sn02q"


@pytest.fixture(scope="module")
def person(product: Product) -> Person:
    """Somebody signed in."""
    return member(product)


def refused(response: httpx.Response) -> tuple[int, str]:
    """Status and code; every refusal also has what a browser needs to read it."""
    assert response.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    return problem(response)


def test_an_unknown_route(product: Product) -> None:
    for url in (product.users, product.billing):
        assert refused(httpx.get(f"{url}/v1/unknown", headers=ORIGIN)) == (404, "not_found")


def test_a_wrong_method_with_every_method_that_is_allowed(product: Product) -> None:
    response = httpx.put(f"{product.billing}/v1/plans", headers=ORIGIN)
    assert refused(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"{", "application/json", (400, "malformed_json")),
        (b"email=a@example.com", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (b'{"email": "a@example.com"}', "application/json", (422, "validation_failed")),
        (b'{"email": 7, "password": "correct horse battery"}', "application/json", (422, "validation_failed")),
    ],
)
def test_a_body_that_is_not_what_is_asked_for(product: Product, content: bytes, media_type: str, expected) -> None:
    headers = {**ORIGIN, "Content-Type": media_type}
    assert refused(httpx.post(f"{product.users}/v1/users", content=content, headers=headers)) == expected


def test_an_unknown_field_is_named(product: Product) -> None:
    body = {"email": "a@example.com", "password": "a password that nobody has", "roles": ["admin"]}
    response = httpx.post(f"{product.users}/v1/users", json=body, headers=ORIGIN)
    assert refused(response) == (422, "validation_failed")
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/roles"]


def test_a_body_that_says_it_is_too_large(product: Product) -> None:
    content = b" " * (BODY_BYTES_MAX + 1)
    headers = {**ORIGIN, "Content-Type": "application/json"}
    assert refused(httpx.post(f"{product.users}/v1/users", content=content, headers=headers)) == (
        413,
        "content_too_large",
    )


def test_a_body_that_turns_out_too_large(product: Product) -> None:
    url = urlsplit(product.users)
    head = (
        f"POST {url.path}/v1/users HTTP/1.1\r\nHost: {url.netloc}\r\nOrigin: {ORIGIN['Origin']}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection((str(url.hostname), url.port or 80), timeout=10) as connection:
        connection.sendall(head.encode())
        for _ in range(BODY_BYTES_MAX // 0x10000):
            connection.sendall(chunk)
        # One byte too many, and no more: what is sent to a closed connection resets it, and the answer would be lost.
        connection.sendall(b"1\r\n \r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"content_too_large"' in answer
    assert "access-control-allow-origin" in answer.lower()


@pytest.mark.parametrize("nonsense", ["inv_nonsense", STRANGER, "1"])
def test_an_id_that_is_none(person: Person, nonsense: str) -> None:
    assert refused(person.billing.get(f"/v1/invoices/{nonsense}", headers=ORIGIN)) == (404, "not_found")


def test_what_is_somebody_elses_is_not_there(product: Product, person: Person) -> None:
    price = new_price(admin_of(product))
    owner = member(product)
    card = owner.billing.post(
        "/v1/payment-methods", json={"provider_token": "pm_card_visa"}, headers={"Idempotency-Key": "card"}
    )
    assert card.status_code == 201, card.text
    order = {"price_id": price["id"], "payment_method_id": card.json()["id"]}
    theirs = {**ORIGIN, "Idempotency-Key": "foreign"}
    refusal = refused(person.billing.post("/v1/subscriptions", json=order, headers=theirs))
    assert refusal == (404, "payment_method_not_found")

    # The same order is good: only whose it is was wrong.
    ordered = owner.billing.post("/v1/subscriptions", json=order, headers={"Idempotency-Key": "subscribe"})
    assert ordered.status_code == 201, ordered.text
    (invoice,) = owner.billing.get("/v1/invoices").json()["data"]
    path = f"/v1/invoices/{invoice['id']}"
    assert owner.billing.get(path).status_code == 200
    assert refused(person.billing.get(path, headers=ORIGIN)) == (404, "invoice_not_found")
    pays = {**ORIGIN, "Idempotency-Key": "pay"}
    assert refused(person.billing.post(f"{path}/pay", headers=pays)) == (404, "invoice_not_found")


def test_a_session_of_somebody_else_is_not_there_and_goes_on(product: Product, person: Person) -> None:
    owner = member(product)
    (session,) = owner.users.get("/v1/sessions").json()["data"]
    path = f"/v1/sessions/{session['id']}"
    assert refused(person.users.delete(path, headers=ORIGIN)) == (404, "not_found")
    assert owner.users.get("/v1/sessions").json()["data"] == [session]


def _altered(part: int, alter: Callable[[dict], dict]) -> Callable[[str], str]:
    def forge(token: str) -> str:
        parts = token.split(".")
        content = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
        parts[part] = base64.urlsafe_b64encode(json.dumps(alter(content)).encode()).decode().rstrip("=")
        return ".".join(parts)

    return forge


def _signed_by_another_key(token: str) -> str:
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, generate_key(), algorithm=header["alg"], headers=header)


# What is forged, and what the refusal says is wrong.
FORGERIES: dict[str, tuple[Callable[[str], str], str]] = {
    "another subject": (_altered(1, lambda claims: {**claims, "sub": STRANGER}), "signature"),
    "a later end": (_altered(1, lambda claims: {**claims, "exp": claims["exp"] + 3600}), "signature"),
    "another key under the real name": (_signed_by_another_key, "signature"),
    "an unknown key": (_altered(0, lambda header: {**header, "kid": "unknown"}), "key"),
    "no algorithm": (_altered(0, lambda header: {**header, "alg": "none"}), "algorithm"),
    "no signature": (lambda token: token.rsplit(".", 1)[0] + ".", "form"),
    "a key of their own": (_altered(0, lambda header: {**header, "jwk": {"kty": "EC"}}), "header"),
    "nothing of a token": (lambda _: "nonsense", "form"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_and_what_is_wrong_with_it(product: Product, person: Person, forgery: str) -> None:
    forge, wrong = FORGERIES[forgery]
    token = person.headers["Authorization"].removeprefix("Bearer ")
    headers = {**ORIGIN, "Authorization": f"Bearer {forge(token)}"}
    for url in (f"{product.users}/v1/users/me", f"{product.billing}/v1/customers/me"):
        response = httpx.get(url, headers=headers)
        assert refused(response) == (401, "unauthenticated")
        assert response.json()["detail"] == f"The access token is not valid here: its {wrong}."


def test_an_expired_token(product: Product) -> None:
    key = LocalKey.open(product.data_dir, environment="local")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    token = sign_access_token(
        key=key.private,
        kid=key.kid,
        issuer="urn:local",
        audience=["api"],
        subject=STRANGER,
        client_id="tests",
        session_id=UUID(int=1),
        scopes=[],
        roles=[],
        auth_time=long_ago,
        now=long_ago,
        lifetime=timedelta(minutes=5),
    )
    response = httpx.get(f"{product.billing}/v1/customers/me", headers={**ORIGIN, "Authorization": f"Bearer {token}"})
    assert refused(response) == (401, "unauthenticated")
    assert response.json()["detail"] == "The access token has expired."


def test_no_token(product: Product) -> None:
    for url in (f"{product.users}/v1/users/me", f"{product.billing}/v1/customers/me"):
        response = httpx.get(url, headers=ORIGIN)
        assert refused(response) == (401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"


def test_a_member_may_not_do_what_an_admin_may(person: Person) -> None:
    assert refused(person.billing.post("/v1/plans", json={"name": "Mine"}, headers=ORIGIN)) == (
        403,
        "insufficient_scope",
    )


def test_money_does_not_move_without_a_key(person: Person) -> None:
    response = person.billing.post("/v1/payment-methods", json={"provider_token": "pm_card_visa"}, headers=ORIGIN)
    assert refused(response) == (400, "idempotency_key_required")
