"""Settings as rows: what a process runs with, and what a service can be told."""

import pytest
from dotenv import dotenv_values
from pydantic import Field, SecretBytes, SecretStr

from core.settings import (
    Accepts,
    ChassisSettings,
    Group,
    ServiceSettings,
    TokenSettings,
    describe,
    env_example,
    load,
    variables,
)
from core.settings.variables import as_text

LAPTOP = {"BILLING_ENVIRONMENT": "local", "BILLING_DATABASE__URL": "postgresql://billing:hunter2@db/billing"}


class Limits(Group):
    name: str | None = Field(default=None, min_length=2, max_length=9, description="A name.")
    series: str = Field(default="INV", pattern=r"^[A-Z]{1,8}$", description="A series.")
    share: float = Field(default=0.5, gt=0, lt=1, description="A share.")


class Settings(ServiceSettings, env_prefix="BILLING_"):
    tokens: TokenSettings = Field(default=TokenSettings(issued_by="users"), description="Tokens.")
    limits: Limits | None = Field(default=None, description="Not there unless given.")
    stripe_key: SecretStr | None = Field(default=None, description="A key.")
    signing: SecretBytes = Field(default=SecretBytes(b"x"), description="Another key.")
    features: dict[str, bool] = Field(default={}, description="Features, by name.")
    either: int | float = Field(default=1, description="One or the other.")


def rows(**environ):
    return {row.variable: (row.value, row.origin) for row in describe(load(Settings, environ={**LAPTOP, **environ}))}


def table():
    return {variable.name: variable for variable in variables(Settings)}


def test_every_setting_is_a_row_with_its_origin():
    found = rows(
        BILLING_CLIENTS__USERS__URL="http://users:8000", BILLING_FEATURES__NEW="true", BILLING_LIMITS__SHARE="0.1"
    )
    assert {name: found[name] for name in found if not name.startswith(("BILLING_SERVER", "BILLING_CORS"))} == {
        "BILLING_ENVIRONMENT": ("local", "environment"),
        "BILLING_SECRETS_DIR": ("", "default"),
        "BILLING_PUBLIC_URL": ("http://127.0.0.1:8000", "local default"),
        "BILLING_LOGS__LEVEL": ("info", "default"),
        "BILLING_LOGS__FORMAT": ("console", "local default"),
        "BILLING_TRACING__RATIO": ("1", "local default"),
        "BILLING_DOCS_ENABLED": ("true", "default"),
        "BILLING_DATABASE__URL": ("postgresql://billing:***@db/billing", "environment"),
        "BILLING_DATABASE__POOL_SIZE": ("10", "default"),
        "BILLING_DATABASE__READ_POOL_SIZE": ("10", "default"),
        "BILLING_DATABASE__POOL_TIMEOUT_S": ("2", "default"),
        "BILLING_DATABASE__CONNECT_TIMEOUT_S": ("3", "default"),
        "BILLING_DATABASE__STATEMENT_TIMEOUT_MS": ("5000", "default"),
        "BILLING_MAIL__URL": ("file:.local/billing/mail", "local default"),
        "BILLING_MAIL__SENDER": ("billing@localhost", "local default"),
        "BILLING_MAIL__TIMEOUT_S": ("10", "default"),
        "BILLING_EVENTS__URL": ("local:", "local default"),
        "BILLING_EVENTS__STREAM": ("events", "default"),
        "BILLING_CLIENTS__USERS__URL": ("http://users:8000", "environment"),
        "BILLING_CLIENTS__USERS__TIMEOUT_S": ("10", "default"),
        "BILLING_CLIENTS__USERS__ATTEMPT_TIMEOUT_S": ("3", "default"),
        "BILLING_CLIENTS__USERS__RETRIES_MAX": ("2", "default"),
        "BILLING_TOKENS__ISSUER": ("http://users:8000", "derived"),
        "BILLING_TOKENS__ISSUED_BY": ("users", "default"),
        "BILLING_TOKENS__JWKS_URL": ("", "default"),
        "BILLING_TOKENS__AUDIENCE": ("api", "default"),
        "BILLING_TOKENS__LEEWAY_S": ("10", "default"),
        "BILLING_RATE_LIMITS__PER_CLIENT": ("", "default"),
        "BILLING_RATE_LIMITS__STORAGE": ("memory://", "default"),
        "BILLING_ROUTERS": ("", "default"),
        "BILLING_SECRET_KEY": ("***", "local default"),
        "BILLING_DATA_DIR": (".local/billing", "local default"),
        "BILLING_LIMITS__NAME": ("", "default"),
        "BILLING_LIMITS__SERIES": ("INV", "default"),
        "BILLING_LIMITS__SHARE": ("0.1", "environment"),
        "BILLING_STRIPE_KEY": ("", "default"),
        "BILLING_SIGNING": ("***", "default"),
        "BILLING_FEATURES__NEW": ("true", "environment"),
        "BILLING_EITHER": ("1", "default"),
    }


def test_a_group_that_is_not_there_has_no_rows():
    assert not [name for name in rows() if name.startswith(("BILLING_LIMITS", "BILLING_CLIENTS", "BILLING_FEATURES"))]


def test_off_a_laptop_no_default_is_called_local():
    class Gateway(ChassisSettings, env_prefix="GATEWAY_"):
        pass

    environ = {"GATEWAY_PUBLIC_URL": "https://api.example.com", "GATEWAY_LOGS__FORMAT": "console"}
    found = describe(load(Gateway, environ=environ))
    assert {row.origin for row in found} == {"default", "environment"}


@pytest.mark.parametrize(
    ("name", "accepts"),
    [
        ("BILLING_ENVIRONMENT", "one of local, staging, production"),
        ("BILLING_SERVER__PORT", "an integer, at least 1, at most 65535"),
        ("BILLING_DATABASE__POOL_TIMEOUT_S", "a number, more than 0, at most 30"),
        ("BILLING_SERVER__TRUSTED_PROXIES", "comma-separated: a network such as 10.0.0.0/8"),
        ("BILLING_DOCS_ENABLED", "true or false"),
        ("BILLING_DATA_DIR", "a path"),
        ("BILLING_CLIENTS__<NAME>__URL", "an http or https URL without a slash at its end"),
        ("BILLING_LIMITS__NAME", "text, at least 2 long, at most 9 long"),
        ("BILLING_LIMITS__SERIES", "text, matching ^[A-Z]{1,8}$"),
        ("BILLING_LIMITS__SHARE", "a number, more than 0, less than 1"),
        ("BILLING_STRIPE_KEY", "a secret"),
        ("BILLING_FEATURES__<NAME>", "true or false"),
        ("BILLING_EITHER", "a value of type int | float"),
    ],
)
def test_a_variable_says_what_it_accepts(name, accepts):
    assert table()[name].accepts == accepts


def test_a_type_that_has_no_words_is_named():
    class Odd(ChassisSettings, env_prefix="ODD_"):
        when: SecretStr | int = Field(default=1, description="A union that may be secret.")
        kind: type = Field(default=int, description="A type.")

    found = {variable.name: variable for variable in variables(Odd)}
    assert found["ODD_KIND"].accepts == "a value of type type"
    assert found["ODD_WHEN"].secret


def test_a_variable_knows_its_defaults():
    found = table()
    port, url, mail, key = (
        found[f"BILLING_{name}"] for name in ["SERVER__PORT", "PUBLIC_URL", "MAIL__URL", "SECRET_KEY"]
    )
    assert (port.required, port.default, port.local) == (False, "8000", None)
    assert (url.required, url.default, url.local) == (True, None, "http://127.0.0.1:8000")
    assert (mail.required, mail.secret, mail.local) == (True, True, "file:.local/billing/mail")
    assert (key.required, key.secret, key.local) == (True, True, "***")
    assert 'python -c "import secrets' in key.how
    assert found["BILLING_TOKENS__ISSUED_BY"].default == "users"


def test_every_variable_has_a_meaning_and_says_what_it_accepts():
    silent = [v.name for v in variables(ServiceSettings) if not v.description.endswith(".") or not v.accepts]
    assert silent == []


def test_an_author_may_say_what_a_type_accepts():
    assert Accepts("a colour").how == ""


def test_the_example_file_holds_every_variable_and_changes_nothing(folder):
    example = env_example(Settings)
    assert [line for line in example.splitlines() if line and not line.startswith("#")] == []
    uncommented = example.replace("#BILLING_", "BILLING_")
    (folder / "all.env").write_text(uncommented)
    names = dotenv_values(folder / "all.env").keys()
    assert names == {variable.name for variable in variables(Settings)}


def test_the_example_file_is_a_valid_one_for_a_laptop(folder):
    class Plain(ServiceSettings, env_prefix="BILLING_"):
        pass

    lines = env_example(Plain).replace("#BILLING_", "BILLING_").splitlines()
    (folder / ".env").write_text(
        "\n".join(line for line in lines if not line.startswith(("BILLING_ENV", "BILLING_CLIENTS")))
    )
    assert load(Plain, environ=LAPTOP).settings == load(Plain, environ=LAPTOP, env_file=folder / "none").settings


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (2.0, "2"),
        (0.5, "0.5"),
        (5_000_000.0, "5000000"),
        ((1, None, "a"), "1,,a"),
        ("x", "x"),
    ],
)
def test_a_value_is_written_the_way_it_is_read(value, text):
    assert as_text(value) == text
