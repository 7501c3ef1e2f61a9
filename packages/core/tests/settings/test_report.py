"""The text of a failed boot, held whole by the files beside this one: complete, helpful, and without a secret."""

import traceback
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import pytest
from pydantic import AfterValidator, Field, SecretStr, model_validator

from core.settings import (
    EX_CONFIG,
    ConfigurationError,
    Group,
    SecretUrl,
    ServiceSettings,
    TokenSettings,
    describe,
    load,
)

CANARY = "canary-3f9a"
CANARY_KEY = f"{CANARY}-4c1d9f27ab03e85610fb72d9c84e5a1b"


class Settings(ServiceSettings, env_prefix="BILLING_"):
    tokens: TokenSettings = Field(default=TokenSettings(issued_by="users"), description="Tokens.")


def quoting(value):
    """A validator as a service might write it: it quotes what it refuses."""
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    raise ValueError(f"{text} is wrong")


def quoting_the_password(value):
    """Another that parses first, and quotes the part that it minds."""
    raise ValueError(f"{urlsplit(value.get_secret_value()).password} is too weak")


class Provider(Group):
    key: SecretStr = Field(default=SecretStr(""), description="The key.")
    rate: Decimal = Field(default=Decimal("0.2"), le=Decimal(1), description="The rate.")
    mode: str = Field(default="", description="A mode.")

    @model_validator(mode="after")
    def _says_too_much(self):
        if self.mode:
            raise ValueError(f"{self.key.get_secret_value()} does not fit {self.mode}")
        return self


class Paid(Settings, env_prefix="BILLING_"):
    provider: Provider = Field(default=Provider(), description="The provider.")
    keys: tuple[SecretStr, ...] = Field(default=(), description="Several keys.")


class Careless(ServiceSettings, env_prefix="BILLING_"):
    provider: Provider = Field(default=Provider(), description="The provider.")
    hook: Annotated[SecretUrl, AfterValidator(quoting)] = Field(default=SecretUrl(""), description="A hook.")
    bus: Annotated[SecretUrl, AfterValidator(quoting_the_password)] = Field(default=SecretUrl(""), description="A bus.")
    plain: Annotated[str, AfterValidator(quoting)] = Field(default="", description="Not secret.")
    api_key: str = Field(default="", description="Secret by its name.")
    keys: tuple[SecretStr, ...] = Field(default=(), description="Several keys.")


def refusal(settings, **sources):
    with pytest.raises(ConfigurationError) as refused:
        load(settings, **sources)
    return refused.value


def golden(name):
    return Path(__file__).with_name(name).read_text(encoding="utf-8").rstrip("\n")


def test_production_with_nothing_set_is_told_everything_it_lacks():
    assert str(refusal(Settings, environ={})) == golden("nothing_set.txt")


def test_every_kind_of_mistake_is_told_at_once(folder):
    (folder / "run-secrets").mkdir()
    (folder / "run-secrets" / "billing_database__url").write_text("postgresql://billing:p@ss/word@db:5432/billing")
    (folder / ".env").write_text("BILLING_LOGS__LEVEL=debug")
    environ = {
        "BILLING_ENVIRONMENT": "prod",
        "BILLING_PUBLIC_URL": "https://ada:hunter2@example.com",
        "BILLING_TOKENS__LEEWAY_S": "a minute",
        "BILLING_SERVER__TERMINATION_GRACE_S": "20",
        "BILLING_SERVER__REQUEST_TIMEOUT_S": "20",
        "BILLING_CORS__ALLOW_ORIGINS": "https://app.example.com/, *, app",
        "BILLING_CLIENTS__USERS__URL": "users",
        "BILLING_DATABASE_POOL_SIZE": "5",
        "BILLING_MAIL": "smtp://mail",
        "BILLING_EVENTS_URL": "nats://bus",
        "BILLING_SECRET_KEY": "change-me-change-me-change-me-change-me",
        "BILLING_SECRETKEY": "hunter2",
        "BILLING_COLOUR": "hunter2",
    }
    text = str(refusal(Settings, environ=environ, overrides={"database": {"pool_size": 51}}))
    assert text.replace(str(folder), "") == golden("many_mistakes.txt")


def test_a_laptop_is_told_of_every_layer_at_once(folder):
    (folder / "run-secrets").mkdir()
    secrets = {
        "BILLING_SECRET_KEY": "short",
        "billing_mail__url": f"smtp://mailer:{CANARY}@mail:port",
        "BILLING_PROVIDER_KEY": CANARY_KEY,
        "other_team_password": CANARY,
    }
    for name, text in secrets.items():
        (folder / "run-secrets" / name).write_text(text)
    (folder / "run-secrets" / "billing_public_url").write_bytes(b"\xff")
    (folder / ".env").write_text(
        "# A laptop's.\nBILLING_SERVER__PORT=80000\nBILLING_LOGS__LEVEL=loud\nBILLING_DATABSE__URL=postgresql://a@b/c\n"
        f"BILLING_ENVIRONMENT=staging\nBILLING_PROVIDER__KEY={CANARY}\nUSERS_SECRET_KEY={CANARY}\n"
    )
    environ = {
        "BILLING_ENVIRONMENT": "local",
        "BILLING_DATABASE__URL": f"postgres://billing:{CANARY}@db/billing",
        "BILLING_PROVIDER__RATE": "1.2",
        "BILLING_EVENTS__URL": f"nats://ada:{CANARY}@bus/1",
        "BILLING_CORS__ALLOW_ORIGINS": "*",
        "BILLING_CORS__ALLOW_CREDENTIALS": "true",
        "BILLING_KEYS": f"{CANARY},{CANARY}",
    }
    text = str(refusal(Paid, environ=environ, defaults={"data_dir": "here", "database": {"pool_size": 0}}))
    assert text.replace(str(folder), "") == golden("laptop.txt")
    assert CANARY not in text


# Each is a word of what it is refused with, or a part of one.
@pytest.mark.parametrize("key", ["short", "characters", "shorter than"])
def test_a_refusal_keeps_its_words_whatever_it_refuses(key):
    (fault,) = (
        each.fault for each in refusal(Settings, environ={"BILLING_SECRET_KEY": key}).problems if "KEY" in each.name
    )
    assert fault == "is refused: it is shorter than 32 characters"


def test_the_exit_code_is_that_of_a_wrong_configuration():
    assert refusal(Settings, environ={}).exit_code == EX_CONFIG == 78


def test_one_problem_is_counted_as_one():
    environ = {"BILLING_ENVIRONMENT": "local", "BILLING_DATABASE__URL": "postgresql://a@b/c", "BILLING_X": "1"}
    assert str(refusal(Settings, environ=environ)).startswith("billing cannot start: one setting is wrong.\n\n")


def test_a_long_value_is_cut():
    environ = {"BILLING_ENVIRONMENT": "x" * 101 + "y" * 10_000}
    assert f"BILLING_ENVIRONMENT={'x' * 100}… (environment)" in str(refusal(Settings, environ=environ))


def test_a_default_that_is_refused_says_so():
    class Wrong(ServiceSettings, env_prefix="BILLING_"):
        limit: Annotated[int, Field(le=5)] = Field(default=int("9"), description="Wrong in the class.")

    (problem,) = (problem for problem in refusal(Wrong, environ={}).problems if problem.name == "BILLING_LIMIT")
    assert (problem.value, problem.origin) == ("9", "default")


# Each plants the canary where a refusal could carry it out.
PLANTED = {
    "a password in a database URL of the wrong kind": {"BILLING_DATABASE__URL": f"mysql://billing:{CANARY}@db/billing"},
    "a password that is not escaped": {"BILLING_DATABASE__URL": f"postgresql://billing:/{CANARY}@db/billing"},
    "a password in place of a URL": {"BILLING_DATABASE__URL": CANARY},
    "a password where the port belongs": {"BILLING_DATABASE__URL": f"postgresql://billing:{CANARY}/billing"},
    "a password in a mail URL": {"BILLING_MAIL__URL": f"imap://mailer:{CANARY}@mail"},
    "a password in the URL of a bus": {"BILLING_EVENTS__URL": f"amqp://ada:{CANARY}@bus"},
    "a token in the URL of a bus": {"BILLING_EVENTS__URL": f"nats://{CANARY}@bus:4222,amqp://{CANARY}@bus:4222"},
    "a short secret key": {"BILLING_SECRET_KEY": CANARY},
    "a repetitive secret key": {"BILLING_SECRET_KEY": CANARY * 5},
    "a misspelt secret": {"BILLING_SECRETKEY": CANARY_KEY},
    "a misspelt nested secret": {"BILLING_DATABASE__PASSWORD": CANARY},
    "a group": {"BILLING_DATABASE": f'{{"url": "postgresql://billing:{CANARY}@db/billing"}}'},
    "credentials in a public URL": {"BILLING_PUBLIC_URL": f"https://ada:{CANARY}@example.com"},
    "a database URL in the wrong variable": {"BILLING_SERVER__PORT": f"postgresql://billing:{CANARY}@db/billing"},
    "a validator that quotes a secret": {"BILLING_HOOK": CANARY},
    "a validator that quotes a secret URL": {"BILLING_HOOK": f"https://ada:{CANARY}@example.com"},
    "a validator that quotes the password alone": {"BILLING_BUS": f"nats://ada:{CANARY}@bus"},
    "a validator that quotes a URL": {"BILLING_PLAIN": f"https://ada:{CANARY}@example.com"},
    "a validator of a group": {"BILLING_PROVIDER__KEY": CANARY, "BILLING_PROVIDER__MODE": "sandbox"},
    "a wrong value beside a secret": {"BILLING_PROVIDER__KEY": CANARY, "BILLING_PROVIDER__RATE": "2"},
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_no_refusal_shows_a_secret(planted):
    error = refusal(Careless, environ=planted)
    surfaces = [str(error), repr(error), repr(error.args), repr(error.problems), *traceback.format_exception(error)]
    assert not [surface for surface in surfaces if CANARY in surface]
    assert error.__context__ is None


def test_a_refused_secret_is_not_shown_even_as_an_object():
    with pytest.raises(ConfigurationError) as refused:
        Settings(database={"url": SecretUrl(f"postgresql://billing:{CANARY}/billing")})
    assert "BILLING_DATABASE__URL=*** (argument) is refused" in str(refused.value)


def test_a_validator_keeps_its_words():
    error = refusal(Careless, environ={"BILLING_HOOK": CANARY, "BILLING_PLAIN": "red"})
    faults = {problem.name: problem.fault for problem in error.problems}
    assert faults["BILLING_HOOK"] == "is refused: *** is wrong"
    assert faults["BILLING_PLAIN"] == "is refused: red is wrong"


def test_a_validator_of_everything_names_the_service():
    class Whole(ServiceSettings, env_prefix="BILLING_"):
        @model_validator(mode="after")
        def _never(self):
            raise ValueError("the stars are wrong")

    environ = {"BILLING_ENVIRONMENT": "local", "BILLING_DATABASE__URL": "postgresql://a@b/c"}
    (problem,) = refusal(Whole, environ=environ).problems
    assert (problem.name, problem.fault) == ("BILLING_*", "is refused: the stars are wrong")


def test_accepted_settings_show_no_secret():
    environ = {
        "BILLING_ENVIRONMENT": "local",
        "BILLING_DATABASE__URL": f"postgresql://billing:{CANARY}@db/billing?sslpassword={CANARY}",
        "BILLING_MAIL__URL": f"smtp://mailer:{CANARY}@mail",
        "BILLING_EVENTS__URL": f"nats://{CANARY}@bus-1:4222,tls://ada:{CANARY}@bus-2:4222",
        "BILLING_SECRET_KEY": CANARY_KEY,
        "BILLING_PROVIDER__KEY": CANARY,
        "BILLING_API_KEY": CANARY,
        "BILLING_KEYS": f"{CANARY},{CANARY}",
    }

    class Careful(ServiceSettings, env_prefix="BILLING_"):
        provider: Provider = Field(default=Provider(), description="The provider.")
        api_key: str = Field(default="", repr=False, exclude=True, description="Secret by its name.")
        keys: tuple[SecretStr, ...] = Field(default=(), description="Several keys.")

    loaded = load(Careful, environ=environ)
    settings = loaded.settings
    surfaces = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
        repr(loaded),
        repr(describe(loaded)),
        f"{settings.database.url} {settings.database.url!r} {settings.secret_key}",
    ]
    assert not [surface for surface in surfaces if CANARY in surface]
    assert settings.keys[0].get_secret_value() == CANARY
