"""What a service says when nobody has told it what it needs, or told it something weak."""

from pathlib import Path

import pytest
from processes import run

from core.settings.strength import LOCAL_SECRET_KEY

EX_CONFIG = 78
ADVICE = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'


@pytest.mark.parametrize("name", ["users", "billing"])
def test_a_production_service_that_nobody_configured_names_everything_that_lacks(name: str, tmp_path: Path):
    said = run(name, "serve", environment={}, code=EX_CONFIG, folder=tmp_path).stderr
    for lacking in ("DATABASE__URL", "SECRET_KEY", "PUBLIC_URL", "MAIL__URL", "EVENTS__URL"):
        assert f"{name.upper()}_{lacking} is missing" in said
    assert ADVICE in said
    assert "Traceback" not in said


def test_a_production_billing_that_knows_no_issuer_names_where_to_say_it(tmp_path: Path):
    said = run("billing", "serve", environment={}, code=EX_CONFIG, folder=tmp_path).stderr
    (issuer,) = (problem for problem in said.split("\n\n") if problem.startswith("BILLING_CLIENTS__USERS__URL"))
    assert issuer.startswith("BILLING_CLIENTS__USERS__URL is missing.")
    assert "To do: set it in the environment" in issuer


@pytest.mark.parametrize(
    ("key", "weakness"),
    [
        (LOCAL_SECRET_KEY, "it is the key of the environment local, which everyone can read in the source"),
        ("8Jq2vN5xRw7TzLmK", "it is shorter than 32 characters"),
        ("8Jq2vN5x" * 6, "it repeats itself"),
    ],
    ids=["well known", "short", "repetitive"],
)
def test_a_weak_secret_key_in_production_is_named_with_what_to_do_and_not_shown(
    key: str, weakness: str, tmp_path: Path
):
    said = run("users", "serve", environment={"USERS_SECRET_KEY": key}, code=EX_CONFIG, folder=tmp_path).stderr
    (refusal,) = (problem for problem in said.split("\n\n") if problem.startswith("USERS_SECRET_KEY"))
    assert refusal.startswith(f"USERS_SECRET_KEY=*** (environment) is refused: {weakness}.")
    assert f"To do: {ADVICE}" in refusal
    assert key not in said
