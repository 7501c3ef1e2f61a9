"""What settings are without a configuration to load: frozen, strict, with the defaults of their environment."""

import logging
import pickle
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError

from core.settings import (
    ChassisSettings,
    ConfigurationError,
    DatabaseSettings,
    Group,
    ServiceSettings,
    TokenSettings,
    merged,
)
from core.settings.strength import LOCAL_SECRET_KEY

STRONG_KEY = "4c1d9f27ab03e85610fb72d9c84e5a1b"


class Settings(ServiceSettings, env_prefix="BILLING_"):
    pass


class Throttle(Group):
    per_ip: bool = Field(default=True, description="Whether an address is throttled.")
    limit: int = Field(default=30, ge=1, description="Attempts.")


class Vault(Group):
    key: SecretStr = Field(description="What the vault opens with.")


class Keys(Group):
    vault: Vault = Field(description="The vault.")
    rotation_days: int = Field(default=90, ge=1, description="When a key changes.")


class Users(ServiceSettings, env_prefix="USERS_"):
    throttle: Throttle = Field(default=Throttle(limit=20), description="Throttling.")
    keys: Keys = Field(description="Keys.")
    mirror: Throttle | None = Field(default=None, description="Not there unless given.")

    @classmethod
    def local_defaults(cls, given):
        return merged(super().local_defaults(given), {"throttle": {"per_ip": False}, "keys": {"vault": {"key": "k"}}})


def production(**values: Any) -> dict[str, Any]:
    return {
        "public_url": "https://api.example.com/billing",
        "database": {"url": "postgresql://billing:hunter2@db/billing"},
        "mail": {"url": "smtp://mail:587", "sender": "no-reply@example.com"},
        "events": {"url": "nats://bus:4222"},
        "secret_key": STRONG_KEY,
        **values,
    }


def local(**values: Any) -> dict[str, Any]:
    return {"environment": "local", "database": {"url": "postgresql://billing@db/billing"}, **values}


def problems(settings, values):
    with pytest.raises(ConfigurationError) as refused:
        settings(**values)
    return [(problem.name, problem.fault) for problem in refused.value.problems]


def test_the_name_is_that_of_the_prefix():
    assert (Settings.name, Users.name) == ("billing", "users")


@pytest.mark.parametrize("prefix", ["billing_", "BILLING"])
def test_a_prefix_that_could_never_match_is_refused(prefix):
    with pytest.raises(TypeError, match="is not a prefix such as BILLING_"):
        type("Wrong", (ServiceSettings,), {"__module__": __name__}, env_prefix=prefix)


def test_settings_are_frozen_at_every_depth():
    settings = Settings(**production(clients={"users": {"url": "http://users:8000"}}))
    for holder, name in [(settings, "docs_enabled"), (settings.server, "port"), (settings.clients["users"], "url")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(holder, name, 1)
    with pytest.raises(TypeError):
        settings.clients["evil"] = settings.clients["users"]  # pyrefly: ignore[unsupported-operation] - that it cannot


def test_constructing_reads_nothing_from_outside(monkeypatch, folder):
    monkeypatch.setenv("BILLING_SERVER__PORT", "9000")
    monkeypatch.setenv("BILLING_LOGS", '{"level": "debug"}')
    (folder / ".env").write_text("BILLING_DOCS_ENABLED=false\n")
    settings = Settings(**production())
    assert (settings.server.port, settings.logs.level, settings.docs_enabled) == (8000, "info", True)


def test_pydantic_settings_cannot_be_asked_to_log_what_it_is_given(monkeypatch, caplog):
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    Settings(**production())
    assert "hunter2" not in caplog.text


def test_a_missing_environment_is_production():
    assert Settings(**production()).environment == "production"


def test_on_a_laptop_a_database_is_all_that_is_needed():
    settings = Settings(**local())
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.server.host, settings.server.drain_delay_s, settings.logs.format) == ("127.0.0.1", 0, "console")
    assert settings.mail.url.get_secret_value() == "file:.local/billing/mail"
    assert settings.mail.sender == "billing@localhost"
    assert settings.events.url.get_secret_value() == "local:"
    assert settings.secret_key.get_secret_value() == LOCAL_SECRET_KEY
    assert settings.data_dir == Path(".local/billing")


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_elsewhere_nothing_is_assumed(environment):
    assert [name for name, fault in problems(Settings, {"environment": environment}) if fault == "is missing"] == [
        "BILLING_PUBLIC_URL",
        "BILLING_DATABASE__URL",
        "BILLING_MAIL__URL",
        "BILLING_MAIL__SENDER",
        "BILLING_EVENTS__URL",
        "BILLING_SECRET_KEY",
    ]
    settings = Settings(**production(environment=environment))
    assert settings.server.host == "0.0.0.0"  # noqa: S104 - what a container listens on
    assert (settings.server.drain_delay_s, settings.logs.format) == (5, "json")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.2", "http://127.0.0.2:9000"),
        ("localhost", "http://localhost:9000"),
        ("::1", "http://[::1]:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),  # noqa: S104 - what a developer may type
        ("::", "http://[::1]:9000"),
    ],
)
def test_a_laptop_is_reached_where_it_listens(host, url):
    assert Settings(**local(server={"host": host, "port": 9000})).public_url == url


def test_what_is_given_lies_over_the_defaults_of_a_laptop():
    settings = Settings(**local(server={"port": 9000}, logs={"format": "json"}, data_dir="data"))
    assert (settings.public_url, settings.server.host) == ("http://127.0.0.1:9000", "127.0.0.1")
    assert settings.logs.format == "json"
    assert settings.mail.url.get_secret_value() == "file:data/mail"


def test_a_port_that_is_no_number_is_refused_once():
    assert problems(Settings, local(server={"port": "http"})) == [("BILLING_SERVER__PORT", "is refused")]
    assert problems(Settings, local(server="all")) == [("BILLING_SERVER", "is a group of settings")]


def test_a_group_may_be_given_as_an_object():
    settings = Settings(**local(database=DatabaseSettings(url="postgresql://billing@db/billing", pool_size=3)))
    assert settings.database.pool_size == 3


def test_what_no_setting_is_called_is_refused():
    assert problems(Settings, local(logz=1, server={"prot": 1})) == [
        ("BILLING_SERVER__PROT", "is not a setting of billing"),
        ("BILLING_LOGZ", "is not a setting of billing"),
    ]


def test_a_group_alone_hides_what_it_refuses():
    with pytest.raises(ValidationError) as refused:
        DatabaseSettings(url="mysql://billing:hunter2@db/billing")
    assert "hunter2" not in str(refused.value)


def test_the_server_has_the_limits_that_are_documented():
    assert Settings(**production()).server.model_dump() == {
        "host": "0.0.0.0",  # noqa: S104 - what a container listens on
        "port": 8000,
        "backlog": 2048,
        "connections_max": 10_000,
        "keep_alive_s": 75,
        "head_max_bytes": 65_536,
        "head_timeout_s": 10,
        "send_timeout_s": 30,
        "concurrency_max": 500,
        "body_max_bytes": 1_048_576,
        "body_timeout_s": 10,
        "request_timeout_s": 12,
        "readiness_interval_s": 5,
        "open_timeout_s": 10,
        "drain_delay_s": 5,
        "graceful_timeout_s": 15,
        "close_timeout_s": 5,
        "termination_grace_s": 30,
        "loop_stall_ms": 100,
        "trusted_hosts": (),
        "trusted_proxies": (),
    }


def test_cors_is_closed_unless_opened():
    cors = Settings(**production()).cors
    assert (cors.allow_origins, cors.allow_credentials, cors.max_age_s) == ((), False, 600)


def test_a_copy_from_validation_is_the_same_as_construction():
    assert Settings.model_validate(local()) == Settings(**local())
    with pytest.raises(ConfigurationError):
        Settings.model_validate(local(logz=1))


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (LOCAL_SECRET_KEY, "is refused: it is the key of the environment local, which everyone can read in the source"),
        (STRONG_KEY[:-1], "is refused: it is shorter than 32 characters"),
        ("ab" * 20, "is refused: it repeats itself"),
    ],
)
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_weak_secret_key_is_refused_off_a_laptop(environment, key, fault):
    assert problems(Settings, production(environment=environment, secret_key=key)) == [("BILLING_SECRET_KEY", fault)]


def test_a_laptop_accepts_a_weak_secret_key_but_not_a_short_one():
    assert Settings(**local(secret_key="ab" * 20)).secret_key.get_secret_value() == "ab" * 20
    assert problems(Settings, local(secret_key="ab" * 15)) == [
        ("BILLING_SECRET_KEY", "is refused: it is shorter than 32 characters")
    ]


def test_an_environment_that_is_refused_is_treated_like_production():
    assert ("BILLING_SECRET_KEY", "is refused: it repeats itself") in problems(
        Settings, production(environment="lokal", secret_key="ab" * 20)
    )


def test_a_data_folder_is_refused_off_a_laptop():
    fault = "is refused: only the environment local keeps data in a folder"
    assert problems(Settings, production(data_dir="data")) == [("BILLING_DATA_DIR", fault)]


class TestTheIssuerOfTokens:
    class Billing(ServiceSettings, env_prefix="BILLING_"):
        tokens: TokenSettings = Field(default=TokenSettings(issued_by="users"), description="Tokens.")

    def test_is_the_client_that_the_class_names(self):
        settings = self.Billing(**production(clients={"users": {"url": "http://users:8000"}}))
        assert settings.tokens.issuer == "http://users:8000"

    def test_may_be_another(self):
        users = {"users": {"url": "http://users:8000"}}
        settings = self.Billing(**production(clients=users, tokens={"issuer": "https://api.example.com/users"}))
        assert (settings.tokens.issuer, settings.tokens.issued_by) == ("https://api.example.com/users", "users")

    def test_is_asked_for_where_it_is_missing(self):
        assert problems(self.Billing, production()) == [("BILLING_CLIENTS__USERS__URL", "is missing")]

    def test_needs_no_client_once_it_is_given(self):
        assert self.Billing(**production(tokens={"issuer": "https://api.example.com/users"})).clients == {}

    def test_is_not_asked_for_on_a_laptop(self):
        assert self.Billing(**local()).tokens.issuer is None

    def test_is_refused_once_when_the_client_is_wrong(self):
        wrong = production(clients={"users": {"url": "users:8000"}})
        assert [name for name, _ in problems(self.Billing, wrong)] == ["BILLING_CLIENTS__USERS__URL"]


def test_a_service_adds_defaults_for_a_laptop():
    settings = Users(**local())
    assert (settings.throttle.per_ip, settings.throttle.limit) == (False, 20)
    assert settings.keys.vault.key.get_secret_value() == "k"


def test_a_group_that_is_given_in_part_keeps_the_defaults_of_its_class():
    settings = Users(**production(throttle={"per_ip": False}, keys={"vault": {"key": "k"}}))
    assert (settings.throttle.per_ip, settings.throttle.limit, settings.mirror) == (False, 20, None)


def test_what_is_missing_is_named_at_any_depth():
    assert problems(Users, production()) == [("USERS_KEYS__VAULT__KEY", "is missing")]


def test_a_process_that_is_no_service_may_narrow_the_environment():
    class Gateway(ChassisSettings, env_prefix="GATEWAY_"):
        environment: Literal["local"] = Field(default="local", description="A laptop, always.")

    assert Gateway().public_url == "http://127.0.0.1:8000"
    assert problems(Gateway, {"environment": "production", "public_url": "http://a"}) == [
        ("GATEWAY_ENVIRONMENT", "is refused")
    ]


def test_a_refusal_keeps_nothing_of_what_pydantic_refused():
    with pytest.raises(ConfigurationError) as refused:
        Settings(**production(database={"url": "mysql://billing:hunter2@db/billing"}))
    assert refused.value.__context__ is None
    assert refused.value.__cause__ is None
    assert b"hunter2" not in pickle.dumps(refused.value.problems)
