"""What stands in a token that we sign."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from core.ids import format_id, new_id
from core.tokens.keys import generate_key, key_id
from core.tokens.signing import sign_access_token

KEY = generate_key()
NOW = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
USER, SESSION = UUID("01890a5d-ac96-774b-bcce-b302099a8057"), UUID("01890a5d-ac96-774b-bcce-b302099a8058")


def signed(**changed) -> str:
    arguments: dict[str, Any] = {
        "key": KEY,
        "kid": key_id(KEY),
        "issuer": "https://api.example.com/users",
        "audience": ["api"],
        "subject": format_id("usr", USER),
        "client_id": "web",
        "session_id": SESSION,
        "scopes": ["b:write", "a:read", "a:read"],
        "roles": ["support", "admin"],
        "auth_time": NOW - timedelta(hours=1),
        "now": NOW,
        "lifetime": timedelta(minutes=5),
    }
    return sign_access_token(**(arguments | changed))


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_the_header_says_what_rfc_9068_wants():
    assert jwt.get_unverified_header(signed()) == {"alg": "ES256", "typ": "at+jwt", "kid": key_id(KEY)}


def test_the_claims_are_those_of_rfc_9068():
    claims = claims_of(signed())
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": "https://api.example.com/users",
        "aud": ["api"],
        "sub": format_id("usr", USER),
        "client_id": "web",
        "iat": 1_779_010_200,
        "exp": 1_779_010_500,
        "scope": "a:read b:write",
        "roles": ["admin", "support"],
        "sid": format_id("ses", SESSION),
        "auth_time": 1_779_006_600,
    }


def test_no_two_tokens_have_one_id():
    assert claims_of(signed())["jti"] != claims_of(signed())["jti"]


def test_one_audience_is_a_list_too():
    assert claims_of(signed(audience="api"))["aud"] == ["api"]


def test_a_services_token_has_no_session():
    claims = claims_of(signed(subject=format_id("svc", new_id()), session_id=None, auth_time=None))
    assert not claims.keys() & {"sid", "auth_time"}


@pytest.mark.parametrize(
    "changed",
    [
        {"session_id": None},
        {"auth_time": None},
        {"session_id": None, "auth_time": None},
        {"subject": format_id("svc", new_id())},
        {"subject": format_id("svc", new_id()), "session_id": None},
    ],
)
def test_subject_and_session_must_fit(changed):
    with pytest.raises(ValueError, match="session"):
        signed(**changed)


@pytest.mark.parametrize("subject", ["", "usr", "usr_", "inv_01h455vb4pex5vsknk084sn02q", str(USER)])
def test_only_users_and_services_are_subjects(subject):
    with pytest.raises(ValueError, match=r"neither|not an id"):
        signed(subject=subject)


@pytest.mark.parametrize("scope", ["", " ", "a:read b:write"])
def test_a_scope_that_could_become_two_is_refused(scope):
    with pytest.raises(ValueError, match="one word"):
        signed(scopes=[scope])
