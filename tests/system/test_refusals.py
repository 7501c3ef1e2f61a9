"""Bad input over real HTTP: the same problem document from a mounted service and from one that runs alone."""

import base64
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from people import Person, member
from processes import Product

from core.testing import problem
from core.tokens import LocalKey, sign_access_token

BODY_BYTES_MAX = 1_048_576
ORIGIN = {"Origin": "https://app.example"}


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
        try:
            for _ in range(BODY_BYTES_MAX // 0x10000 + 2):
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            # It need not read to the end what it refuses.
            pass
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"content_too_large"' in answer
    assert "access-control-allow-origin" in answer.lower()


def test_an_id_that_is_none_or_not_theirs(product: Product, person: Person) -> None:
    own = person.billing.post(
        "/v1/payment-methods", json={"provider_token": "pm_card_visa"}, headers={"Idempotency-Key": "own"}
    )
    assert own.status_code == 201, own.text
    other = member(product)
    for path in ("/v1/invoices/inv_nonsense", "/v1/invoices/usr_01h455vb4pex5vsknk084sn02q", "/v1/invoices/1"):
        assert refused(person.billing.get(path, headers=ORIGIN)) == (404, "not_found")
    body = {"price_id": "prc_01h455vb4pex5vsknk084sn02q", "payment_method_id": own.json()["id"]}
    response = other.billing.post("/v1/subscriptions", json=body, headers={**ORIGIN, "Idempotency-Key": "foreign"})
    assert refused(response)[0] in (404, 422)


def _altered(part: int, alter: Callable[[dict], dict]) -> Callable[[str], str]:
    def forge(token: str) -> str:
        parts = token.split(".")
        content = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
        parts[part] = base64.urlsafe_b64encode(json.dumps(alter(content)).encode()).decode().rstrip("=")
        return ".".join(parts)

    return forge


FORGERIES = {
    "another subject": _altered(1, lambda claims: {**claims, "sub": "usr_01h455vb4pex5vsknk084sn02q"}),
    "a later end": _altered(1, lambda claims: {**claims, "exp": claims["exp"] + 3600}),
    "no algorithm": _altered(0, lambda header: {**header, "alg": "none"}),
    "no signature": lambda token: token.rsplit(".", 1)[0] + ".",
    "a key of their own": _altered(0, lambda header: {**header, "jwk": {"kty": "EC"}}),
    "nothing of a token": lambda _: "nonsense",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token(product: Product, person: Person, forgery: str) -> None:
    token = person.headers["Authorization"].removeprefix("Bearer ")
    headers = {**ORIGIN, "Authorization": f"Bearer {FORGERIES[forgery](token)}"}
    for url in (f"{product.users}/v1/users/me", f"{product.billing}/v1/customers/me"):
        assert refused(httpx.get(url, headers=headers)) == (401, "unauthenticated")


def test_an_expired_token(product: Product) -> None:
    key = LocalKey.open(product.data_dir, environment="local")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    token = sign_access_token(
        key=key.private,
        kid=key.kid,
        issuer="urn:local",
        audience=["api"],
        subject="usr_01h455vb4pex5vsknk084sn02q",
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
