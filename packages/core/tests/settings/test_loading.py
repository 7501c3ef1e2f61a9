"""Where a value comes from: the order of the layers, what each of them reads, and what none of them lets pass."""

from itertools import pairwise

import pytest
from pydantic import Field

from core.settings import ConfigurationError, Group, ServiceSettings, load

DATABASE = "postgresql://billing@db/billing"
# The least that a laptop needs.
LAPTOP = {"BILLING_ENVIRONMENT": "local", "BILLING_DATABASE__URL": DATABASE}


class Settings(ServiceSettings, env_prefix="BILLING_"):
    features: dict[str, bool] = Field(default={}, description="Features, by name.")
    dunning_days: tuple[int, ...] = Field(default=(2, 7), description="Days.")


def refused(**sources):
    with pytest.raises(ConfigurationError) as error:
        load(Settings, **sources)
    return {problem.name: f"{problem.fault} ({problem.origin}): {problem.remedy}" for problem in error.value.problems}


# One layer a line, lowest first; each sets the same variable, so the last one that is there wins.
LAYERS = ["class", "laptop", "host default", ".env", "secrets", "environment", "override"]


def loaded_with(layers, folder):
    """The host to listen on, and where it came from, when these layers set it."""
    environ = {**LAPTOP, "BILLING_SECRETS_DIR": str(folder / "secrets")}
    if "laptop" not in layers:
        environ |= {
            "BILLING_ENVIRONMENT": "staging",
            "BILLING_PUBLIC_URL": "http://billing",
            "BILLING_MAIL__URL": "smtp://mail",
            "BILLING_MAIL__SENDER": "a@b",
            "BILLING_EVENTS__URL": "nats://bus",
            "BILLING_SECRET_KEY": "4c1d9f27ab03e85610fb72d9c84e5a1b",
        }
    (folder / "secrets").mkdir()
    if ".env" in layers:
        (folder / ".env").write_text("BILLING_SERVER__HOST=env-file\n")
    if "secrets" in layers:
        (folder / "secrets" / "billing_server__host").write_text("secrets\n")
    if "environment" in layers:
        environ["BILLING_SERVER__HOST"] = "environment"
    loaded = load(
        Settings,
        defaults={"server": {"host": "host-default"}} if "host default" in layers else None,
        overrides={"server": {"host": "override"}} if "override" in layers else None,
        environ=environ,
    )
    return loaded.settings.server.host, loaded.origins.get(("server", "host"))


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ("class", ("0.0.0.0", None)),  # noqa: S104 - the default of the class
        ("laptop", ("127.0.0.1", None)),
        ("host default", ("host-default", "host default")),
        (".env", ("env-file", ".env")),
        ("secrets", ("secrets", "{folder}/secrets/billing_server__host")),
        ("environment", ("environment", "environment")),
        ("override", ("override", "override")),
    ],
)
def test_each_layer_wins_over_all_below_it(layer, found, folder):
    value, origin = loaded_with(LAYERS[: LAYERS.index(layer) + 1], folder)
    assert (value, origin) == (found[0], found[1] and found[1].format(folder=folder))


@pytest.mark.parametrize(("lower", "upper"), [*pairwise(LAYERS)])
def test_of_two_neighbouring_layers_the_upper_wins(lower, upper, folder):
    value, _ = loaded_with({"laptop", lower, upper}, folder)
    assert value == {"laptop": "127.0.0.1", ".env": "env-file"}.get(upper, upper.replace(" ", "-"))


def test_layers_are_merged_leaf_by_leaf(folder):
    (folder / ".env").write_text("BILLING_CLIENTS__USERS__TIMEOUT_S=5\n")
    loaded = load(
        Settings,
        defaults={"clients": {"users": {"url": "http://host", "timeout_s": 4}, "mailer": {"url": "http://mailer"}}},
        environ={**LAPTOP, "BILLING_CLIENTS__USERS__URL": "http://users"},
        overrides={"clients": {"users": {"retries_max": 0}}},
    )
    users = loaded.settings.clients["users"]
    assert (users.url, users.timeout_s, users.retries_max) == ("http://users", 5, 0)
    assert loaded.settings.clients["mailer"].url == "http://mailer"
    assert loaded.origins == {
        ("environment",): "environment",
        ("database", "url"): "environment",
        ("clients", "users", "url"): "environment",
        ("clients", "users", "timeout_s"): ".env",
        ("clients", "users", "retries_max"): "override",
        ("clients", "mailer", "url"): "host default",
    }


def test_the_environment_of_the_process_is_read_unless_another_is_given(monkeypatch):
    for name, text in LAPTOP.items():
        monkeypatch.setenv(name, text)
    assert load(Settings).settings.database.url.get_secret_value() == DATABASE
    assert "BILLING_DATABASE__URL" in refused(environ={})


def test_two_services_in_one_environment_read_their_own():
    class Users(ServiceSettings, env_prefix="USERS_"):
        pass

    environ = {**LAPTOP, "USERS_ENVIRONMENT": "local", "USERS_DATABASE__URL": "postgresql://users@db/users"}
    assert load(Users, environ=environ).settings.database.url.get_secret_value() == "postgresql://users@db/users"
    assert load(Settings, environ=environ).settings.database.url.get_secret_value() == DATABASE


def test_a_class_without_a_prefix_cannot_be_loaded():
    with pytest.raises(TypeError, match="ServiceSettings has no env_prefix"):
        load(ServiceSettings, environ={})


def test_text_becomes_the_type_of_the_setting():
    environ = {
        **LAPTOP,
        "BILLING_SERVER__PORT": "9000",
        "BILLING_DOCS_ENABLED": "false",
        "BILLING_CORS__ALLOW_ORIGINS": "https://a.example, https://b.example, ,",
        "BILLING_DUNNING_DAYS": "1,2,3",
        "BILLING_FEATURES__NEW_CHECKOUT": "on",
        "billing_logs__level": "debug",
    }
    settings = load(Settings, environ=environ).settings
    assert (settings.server.port, settings.docs_enabled, settings.logs.level) == (9000, False, "debug")
    assert settings.cors.allow_origins == ("https://a.example", "https://b.example")
    assert settings.dunning_days == (1, 2, 3)
    assert settings.features == {"new_checkout": True}


def test_an_empty_variable_is_not_set():
    loaded = load(Settings, environ={**LAPTOP, "BILLING_SERVER__HOST": "", "BILLING_DUNNING_DAYS": ""})
    assert (loaded.settings.server.host, loaded.settings.dunning_days) == ("127.0.0.1", (2, 7))


def test_a_typed_group_may_be_a_default_of_the_host():
    class Address(Group):
        host: str = Field(default="a", description="A host.")
        port: int = Field(default=1, ge=1, le=9, description="A port.")

    class Near(ServiceSettings, env_prefix="BILLING_"):
        address: Address = Field(default=Address(), description="An address.")

    loaded = load(Near, defaults={"address": Address(port=2)}, environ=LAPTOP)
    assert loaded.settings.address == Address(host="a", port=2)
    assert loaded.origins[("address", "port")] == "host default"
    assert ("address", "host") not in loaded.origins


class TestAnUnknownVariable:
    def test_is_refused_with_the_name_that_was_meant(self):
        assert refused(environ={**LAPTOP, "BILLING_SERVER__PROT": "1", "BILLING_DATABASE_URL": "x"}) == {
            "BILLING_SERVER__PROT": "is not a setting of billing (environment): did you mean BILLING_SERVER__PORT?",
            "BILLING_DATABASE_URL": "is not a setting of billing (environment): did you mean BILLING_DATABASE__URL?",
        }

    def test_is_refused_below_a_chosen_name(self):
        assert refused(environ={**LAPTOP, "BILLING_CLIENTS__USERS__ULR": "x"}) == {
            "BILLING_CLIENTS__USERS__ULR": (
                "is not a setting of billing (environment): did you mean BILLING_CLIENTS__USERS__URL?"
            )
        }

    def test_like_no_other_is_to_be_removed(self):
        assert refused(environ={**LAPTOP, "BILLING_COLOUR": "red"}) == {
            "BILLING_COLOUR": "is not a setting of billing (environment): remove it"
        }

    def test_that_names_a_group_is_told_its_members(self):
        (fault,) = refused(environ={**LAPTOP, "BILLING_LOGS": "{}"}).values()
        assert fault == (
            "is a group of settings (environment): set its members: BILLING_LOGS__LEVEL, BILLING_LOGS__FORMAT"
        )

    def test_is_refused_in_every_layer(self, folder):
        (folder / ".env").write_text("BILLING_A_FILE=1\nUSERS_OTHER=1\n")
        (folder / "run-secrets").mkdir()
        (folder / "run-secrets" / "billing_b_secret").write_text("1")
        (folder / "run-secrets" / "users_other").write_text("1")
        assert refused(
            environ=LAPTOP, defaults={"c_host": 1}, overrides={"logs": {"d_level": 1}, "server": 1}
        ).keys() == {
            "BILLING_A_FILE",
            "BILLING_B_SECRET",
            "BILLING_C_HOST",
            "BILLING_LOGS__D_LEVEL",
            "BILLING_SERVER",
        }

    def test_of_another_service_is_none_of_ours(self):
        assert load(Settings, environ={**LAPTOP, "USERS_X": "1", "BILLINGS_X": "1", "PATH": "/bin"})


def test_what_an_orchestrator_says_of_a_service_of_the_same_name_is_passed_over():
    links = {
        "BILLING_SERVICE_HOST": "10.0.0.7",
        "BILLING_SERVICE_PORT": "80",
        "BILLING_SERVICE_PORT_HTTP": "80",
        "BILLING_PORT": "tcp://10.0.0.7:80",
        "BILLING_PORT_80_TCP": "tcp://10.0.0.7:80",
        "BILLING_PORT_80_TCP_PROTO": "tcp",
        "BILLING_PORT_80_TCP_PORT": "80",
        "BILLING_PORT_80_TCP_ADDR": "10.0.0.7",
    }
    assert load(Settings, environ={**LAPTOP, **links})
    assert refused(environ={**LAPTOP, "BILLING_PORT": "9000"}) == {
        "BILLING_PORT": "is not a setting of billing (environment): did you mean BILLING_SERVER__PORT?"
    }


class TestTheEnvFile:
    def test_is_read_on_a_laptop_only(self, folder):
        (folder / ".env").write_text(f"BILLING_DATABASE__URL={DATABASE}\n")
        assert load(Settings, environ={"BILLING_ENVIRONMENT": "local"})
        assert "BILLING_DATABASE__URL" in refused(environ={"BILLING_ENVIRONMENT": "staging"})

    def test_is_taken_literally(self, folder, monkeypatch):
        monkeypatch.setenv("HOME", "/home/ada")
        (folder / ".env").write_text('BILLING_SERVER__HOST="a${HOME}$b"  # why\nBILLING_PUBLIC_URL\n')
        assert load(Settings, environ=LAPTOP).settings.server.host == "a${HOME}$b"

    def test_may_lie_elsewhere(self, folder):
        (folder / "other.env").write_text("BILLING_SERVER__PORT=9000\n")
        assert load(Settings, environ=LAPTOP, env_file=folder / "other.env").settings.server.port == 9000

    @pytest.mark.parametrize("name", ["environment", "secrets_dir"])
    def test_cannot_decide_which_files_are_read(self, folder, name):
        (folder / ".env").write_text(f"BILLING_{name.upper()}=production\n")
        assert refused(environ=LAPTOP) == {
            f"BILLING_{name.upper()}": (
                "has no effect here (.env): set it in the environment: it decides which files are read"
            )
        }

    def test_may_repeat_the_environment(self, folder):
        (folder / ".env").write_text("BILLING_ENVIRONMENT=local\n")
        assert load(Settings, environ=LAPTOP).origins[("environment",)] == "environment"

    def test_that_cannot_be_read_is_a_problem_among_the_others(self, folder):
        (folder / ".env").write_bytes(b"BILLING_SERVER__HOST=\xff\n")
        assert refused(environ={**LAPTOP, "BILLING_SERVER__PORT": "0"}) == {
            "BILLING_SERVER__PORT": "is refused (environment): correct it, or leave it out for 8000",
            ".env": "cannot be read: it is not UTF-8 text (): make it readable, as UTF-8 text",
        }


class TestTheSecretsDirectory:
    def test_is_that_of_the_platform_unless_another_is_named(self, folder):
        for name, port in [("run-secrets", "9001"), ("named", "9002")]:
            (folder / name).mkdir()
            (folder / name / "BILLING_SERVER__PORT").write_text(f" {port}\n")
        assert load(Settings, environ=LAPTOP).settings.server.port == 9001
        named = {"BILLING_SECRETS_DIR": str(folder / "named")}
        assert load(Settings, environ=LAPTOP | named).settings.server.port == 9002
        assert load(Settings, environ=LAPTOP, overrides={"secrets_dir": folder / "named"}).settings.server.port == 9002

    def test_may_be_mounted_the_way_kubernetes_does(self, folder):
        secrets = folder / "run-secrets"
        (secrets / "..2026_11_22").mkdir(parents=True)
        (secrets / "..2026_11_22" / "billing_server__port").write_text("9001")
        (secrets / "..data").symlink_to("..2026_11_22")
        (secrets / "billing_server__port").symlink_to("..data/billing_server__port")
        (secrets / "billing_folder").mkdir()
        assert load(Settings, environ=LAPTOP).settings.server.port == 9001

    def test_that_is_named_and_not_there_is_refused(self, folder):
        missing = folder / "missing"
        assert refused(environ={**LAPTOP, "BILLING_SECRETS_DIR": str(missing)}) == {
            str(missing): "cannot be read: No such file or directory (): make it readable, as UTF-8 text"
        }

    def test_with_a_file_that_cannot_be_read_names_it(self, folder):
        (folder / "run-secrets").mkdir()
        file = folder / "run-secrets" / "billing_secret_key"
        file.write_bytes(b"hunter2\xff")
        assert refused(environ=LAPTOP) == {
            str(file): "cannot be read: it is not UTF-8 text (): make it readable, as UTF-8 text"
        }
