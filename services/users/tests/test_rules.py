"""Decisions without I/O: addresses, passwords, roles, refresh tokens, networks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.redaction import redact
from users.accounts.rules import normalised, scopes_of
from users.one_time_tokens.rules import digest_of, one_time_token
from users.passwords.rules import context_of, weakness
from users.sessions.rules import Origin, RefreshToken, Verdict, truncated, verdict

SESSION = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMON = {"password", "qwerty", "correct horse battery staple"}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Love+tag@EXAMPLE.com", "ada.love+tag@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        # One letter, or a letter and its accent: the same address.
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
    ],
)
def test_an_address_has_one_spelling(typed, kept):
    assert normalised(typed) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@-example.com",
        "ada@example..com",
        "ada@exam_ple.com",
        "ada@[127.0.0.1]",
        "a b@example.com",
        '"a"@example.com',
        "ada@eve@example.com",
        "ada,eve@example.com",
        "ada\u2028@example.com",
        "=?utf-8?q?eve=40example.com=2C_ada?=@example.com",
        f"{'a' * 65}@example.com",
        f"{'ä' * 33}@example.com",
        f"ada@{'a' * 64}.example",
        f"ada@{'.'.join(['a' * 60] * 5)}",
    ],
)
def test_what_is_not_one_bare_address_is_none(text):
    with pytest.raises(ValueError, match="address"):
        normalised(text)


def weak(password, *, name=None):
    context = context_of(address="ada@analytical.example", name=name)
    return weakness(password, length_min=15, length_max=256, context=context, common=COMMON)


@pytest.mark.parametrize(
    "password",
    [
        "x" * 14,
        "x" * 257,
        "Correct Horse Battery Staple",
        "passwordPASSWORD",
        "qwerty-password1",
        "adaADAadaADAada",
        "ada@analytical.example",
        "analytical.ada.",
        "Lovelace Lovelace",
    ],
)
def test_a_password_of_what_others_try_first_is_weak(password):
    assert weak(password, name="Ada Lovelace")


@pytest.mark.parametrize("password", ["fifteen letters", "plum password kettle", "ääääää öööööö ß", "my name is Ada!"])
def test_length_alone_makes_a_password(password):
    assert weak(password) is None


@pytest.mark.parametrize(("character", "count"), [("🌹", 14), ("e\u0301", 7), ("🌹", 257), ("e\u0301", 129)])
def test_the_length_is_counted_in_code_points(character, count):
    assert weak(character * count)
    towards = 1 if count < 15 else -1
    assert weak(character * (count + towards)) is None


def test_roles_add_up_to_scopes():
    assert scopes_of(["user"]) == set()
    assert scopes_of(["user", "support"]) == {"users:read", "billing:read", "audit:read"}
    assert scopes_of(["support", "admin"]) == scopes_of(["support"]) | {"users:write", "billing:write", "catalog:write"}


def test_a_refresh_token_says_session_and_counter_to_who_has_the_secret():
    text = RefreshToken(SESSION, 7).text(secret="s")
    assert text.startswith("rt_01h455vb4pex5vsknk084sn02q.7.")
    assert RefreshToken.parse(text, secret="s") == RefreshToken(SESSION, 7)
    assert RefreshToken.parse(text, secret="another") is None
    assert redact(f"shown: {text}") == "shown: rt_***"


def test_no_refresh_token_has_two_spellings():
    text = RefreshToken(SESSION, 7).text(secret="s")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = [text[:-1] + letter for letter in letters]
    assert [each for each in spellings if RefreshToken.parse(each, secret="s")] == [text]


@pytest.mark.parametrize(
    ("shown", "after_s", "leeway_s", "expected"),
    [
        (5, 99, 10, Verdict.ROTATE),
        (4, 0, 10, Verdict.REPEAT),
        (4, 9.999, 10, Verdict.REPEAT),
        (4, 10, 10, Verdict.REUSED),
        (4, 0, 0, Verdict.REUSED),
        (3, 0, 10, Verdict.REUSED),
        (6, 0, 10, Verdict.REUSED),
    ],
)
def test_a_refresh_token_that_is_not_current_was_stolen_but_for_a_moment(shown, after_s, leeway_s, expected):
    now = NOW + timedelta(seconds=after_s)
    leeway = timedelta(seconds=leeway_s)
    assert verdict(shown=shown, current=5, rotated_at=NOW, now=now, leeway=leeway) is expected


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("testclient", None),
        ("fe80::1%eth0", "fe80::/48"),
        (None, None),
    ],
)
def test_of_an_address_only_the_network_is_kept(address, kept):
    assert truncated(address) == kept


def test_of_a_user_agent_only_what_can_be_printed_is_kept():
    assert Origin.of(user_agent="Engine\x00/1.0\n", address=None) == Origin("Engine/1.0", None)
    assert Origin.of(user_agent=None, address=None) == Origin(None, None)


def test_a_one_time_token_needs_the_key():
    token = one_time_token(SESSION, key=b"k")
    assert len(token) == 43
    assert token != one_time_token(SESSION, key=b"another")
    assert token == one_time_token(SESSION, key=b"k")
    assert len(digest_of(token)) == 32
