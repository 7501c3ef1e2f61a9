"""What the redactor masks, what it leaves alone, and that it stays fast on hostile text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.redaction import is_secret_name, redact, redact_mapping

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ1c3JfMDEifQ.c2lnbmF0dXJlLWJ5dGVz"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("postgresql://billing:hunter2@db:5432/billing", "postgresql://billing:***@db:5432/billing"),
        (
            "postgresql+asyncpg://billing:hunter2@/billing?host=/run",
            "postgresql+asyncpg://billing:***@/billing?host=/run",
        ),
        ("connecting to postgresql://u:p/w@rd#1@db/x failed", "connecting to postgresql://u:***@db/x failed"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("smtp://mailer:hunter2@mail:587", "smtp://mailer:***@mail:587"),
        ("https://me:hunter2@example.com/a?b=c", "https://me:***@example.com/a?b=c"),
        ("https://ghp_hunter2@github.com/x", "https://***@github.com/x"),
        ("nats://hunter2@bus:4222", "nats://***@bus:4222"),
        ("nats://hunter2@bus-1:4222,nats://me:hunter2@bus-2:4222", "nats://***@bus-2:4222"),
        ("nats://me:hunter2@bus-1:4222,nats://me:hunter2@bus-2:4222", "nats://me:***@bus-2:4222"),
        ("nats://bus-1:4222,tls://hunter2@bus-2:4222", "nats://bus-1:***@bus-2:4222"),
        ("HTTPS://me:hunter2@example.com", "HTTPS://me:***@example.com"),
    ],
)
def test_the_password_of_a_url_is_masked(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"token {JWT} refused", "token *** refused"),
        (JWT.rpartition(".")[0], "***"),
        ("sent rt_01h455vb4pex5vsknk084sn02q.7.c2lnbmF0dXJl back", "sent rt_*** back"),
        ("Authorization: Bearer 2YotnFZFEjr1zCsicMWpAA", "Authorization: ***"),
        ("got bearer 2YotnFZFEjr1zCsicMWpAA here", "got bearer *** here"),
        ("got Basic dXNlcjpodW50ZXIy here", "got Basic *** here"),
        ("authorization: basic hunter", "authorization: ***"),
        ("Set-Cookie: sid=31d4d96e; HttpOnly\r\nEtag: 1", "Set-Cookie: ***\r\nEtag: 1"),
        ("X-API-Key: abc", "X-API-Key: ***"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----.", "-----BEGIN EC PRIVATE KEY-----***."),
        ("-----BEGIN PRIVATE KEY-----\nMHc", "-----BEGIN PRIVATE KEY-----***"),
    ],
)
def test_a_credential_is_known_by_its_shape(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET /confirm?token=abc123&next=/home", "GET /confirm?token=***&next=/home"),
        ("?refresh_token=abc&client_secret=def&page=2", "?refresh_token=***&client_secret=***&page=2"),
        ("host=db user=billing password='hunter 2' dbname=x", "host=db user=billing password='***' dbname=x"),
        ("BILLING_SECRET_KEY=abc", "BILLING_SECRET_KEY=***"),
        ('{"password": "hun\\"ter2", "name": "Ada"}', '{"password": "***", "name": "Ada"}'),
        ("{'current_password': 'hunter2', 'name': 'Ada'}", "{'current_password': '***', 'name': 'Ada'}"),
        ('{"api_key":"k","apiKey":"k"}', '{"api_key":"***","apiKey":"***"}'),
    ],
)
def test_a_value_is_masked_for_the_name_before_it(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "request finished GET /v1/users/{user_id} 200 in 12.3 ms",
        "see https://docs.example.com/users/me@example.com for more",
        "https://api.example.com/v1/invoices?limit=20&cursor=abc and ada@example.com",
        "postgresql://billing@db/billing",
        "nats://bus:4222, ada@example.com",
        "bearer authentication is required",
        "invalid token: the signature does not match",
        "start_time sort_key rt_a",
        "{'token_type': 'bearer', 'expires_in': '300'}",
        "?token_type=bearer&limit=5",
        "the eyJ of a token",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text


@given(
    st.lists(
        st.sampled_from(["postgresql://", "https://", "a:b", "@", "/", " ", "password", "=", '"', "'", ":", JWT, "x"])
    )
)
def test_redacting_twice_changes_nothing_more(pieces):
    once = redact("".join(pieces))
    assert redact(once) == once


@pytest.mark.parametrize(
    "hostile",
    ["://a" * 25_000 + " @", "a" * 100_000 + "://@", "token " * 20_000 + "=", "eyJ" * 40_000, '"password":"' * 10_000],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(hostile):
    started = time.process_time()
    redact(hostile)
    # A pattern that backtracks needs minutes for any of these; this takes some 10 ms.
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Authorization",
        "x-api-key",
        "set-cookie",
        "refresh_token",
        "client_secret",
        "privateKey",
        "sentry_dsn",
    ],
)
def test_a_name_tells_a_secret(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["name", "token_type", "tokens", "secrets_dir", "idempotency-key", "keyboard"])
def test_most_names_tell_none(name):
    assert not is_secret_name(name)


def test_a_mapping_is_masked_at_any_depth():
    assert redact_mapping(
        {
            "event": "failed for postgresql://u:hunter2@db/x",
            "password": "hunter2",
            "token": None,
            "cookie": True,
            "status": 500,
            "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
            "attempts": [{"api_key": 4711}, ("?token=abc",)],
        }
    ) == {
        "event": "failed for postgresql://u:***@db/x",
        "password": "***",
        "token": None,
        "cookie": True,
        "status": 500,
        "headers": {"Authorization": "***", "Accept": "*/*"},
        "attempts": [{"api_key": "***"}, ["?token=***"]],
    }


def test_a_mapping_that_contains_itself_ends():
    event: dict[str, object] = {"name": "Ada"}
    event["self"] = event
    assert str(redact_mapping(event)).endswith("'***'}" + "}" * 12)
