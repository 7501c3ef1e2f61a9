"""Commands that end by themselves: what they print, and how they fail."""

import asyncio
import io
import json
import shutil
import socket
import sys

import jwt
import pytest
from fastapi import Depends
from sqlalchemy import Column, Text
from starlette.routing import Mount

from core.cli import clear_failures
from core.cli.token import Role, _granted
from core.dependencies import requires
from core.dependencies.identity import scopes_of
from core.errors import Conflict
from core.lifespan import StartupError
from core.local.errors import LocalError
from core.migrations import MigrationError
from core.settings import EX_CONFIG
from core.testing.open_router import OpenRouter

URL = "postgresql://example:hunter2-canary@db.invalid:5432/example"
PRODUCTION = {
    "EXAMPLE_PUBLIC_URL": "https://example.test",
    "EXAMPLE_DATABASE__URL": URL,
    "EXAMPLE_MAIL__URL": "smtp://mail.invalid:587",
    "EXAMPLE_MAIL__SENDER": "example@example.test",
    "EXAMPLE_EVENTS__URL": "nats://example:hunter2-canary@bus.invalid:4222",
    "EXAMPLE_SECRET_KEY": "Zk3vQ9xL7pR2mT8wY4nB6cD1fG5hJ0sAqEuIoXyKtP",
    "EXAMPLE_TOKENS__ISSUER": "https://users.example.test",
}


def test_every_setting_is_printed_with_its_source_and_without_secrets(run):
    ran = run("settings", **PRODUCTION)
    assert ran.code == 0
    assert "EXAMPLE_ENVIRONMENT=production  # default" in ran.out
    assert "EXAMPLE_PUBLIC_URL=https://example.test  # environment" in ran.out
    assert "canary" not in ran.out
    assert PRODUCTION["EXAMPLE_SECRET_KEY"] not in ran.out


def test_what_is_wrong_is_printed_beside_what_is_there(run):
    url = "postgresql://example:hunter2-canary@db/example"
    names = {"EXAMPLE_CLIENTS__USERS__URL": "http://users", "EXAMPLE_DATABASE__URL": url}
    ran = run("settings", EXAMPLE_SERVER__PORT="0", EXAMPLE_PROT="1", **names)
    assert ran.code == EX_CONFIG
    for row in (
        "EXAMPLE_ENVIRONMENT=production  # default",
        "EXAMPLE_SERVER__PORT=0  # environment",
        "EXAMPLE_PUBLIC_URL=  # missing",
        "EXAMPLE_DATABASE__URL=***  # environment",
        "EXAMPLE_DATABASE__POOL_SIZE=10  # default",
        "EXAMPLE_CLIENTS__USERS__URL=http://users  # environment",
    ):
        assert row in ran.out.splitlines()
    assert "EXAMPLE_PROT" not in ran.out
    for wrong in ("EXAMPLE_SERVER__PORT=0 (environment) is refused", "EXAMPLE_PUBLIC_URL is missing", "EXAMPLE_PROT"):
        assert wrong in ran.err
    assert "canary" not in ran.out + ran.err


def test_with_nothing_configured_every_setting_is_printed_and_what_is_missing(run):
    ran = run("settings")
    assert ran.code == EX_CONFIG
    assert "EXAMPLE_SECRET_KEY=  # missing" in ran.out.splitlines()
    assert "EXAMPLE_SECRET_KEY is missing" in ran.err


def test_a_laptop_prints_what_the_environment_local_supplies(run):
    ran = run("settings", EXAMPLE_ENVIRONMENT="local")
    assert ran.code == EX_CONFIG
    assert "EXAMPLE_SERVER__HOST=127.0.0.1  # local default" in ran.out.splitlines()
    assert "EXAMPLE_SECRET_KEY=***  # local default" in ran.out.splitlines()
    assert "EXAMPLE_DATABASE__URL is missing" in ran.err


def test_an_example_of_the_environment_changes_nothing_as_it_stands(run):
    ran = run("settings", "--env-example")
    assert ran.code == 0
    assert "#EXAMPLE_SERVER__PORT=8000" in ran.out
    assert all(line.startswith("#") or not line for line in ran.out.splitlines())


def test_the_routes_are_printed_with_their_operations(run):
    ran = run("routes")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()] == [
        ["POST", "/v1/things", "things_make_thing"],
        ["GET", "/v1/things", "things_list_things"],
        ["GET", "/v1/things/{thing_id}", "things_read_thing"],
        ["POST", "/v2/things", "things_v2_make_thing"],
        ["GET", "/v2/things", "things_v2_list_things"],
        ["GET", "/v2/things/{thing_id}", "things_v2_read_thing"],
        ["PATCH", "/v2/things/{thing_id}", "things_v2_change_thing"],
    ]


def test_what_is_printed_is_what_the_environment_chooses_to_serve(run):
    chosen = {"EXAMPLE_ROUTERS": "things_v2"}
    assert {line.split()[1].split("/")[1] for line in run("routes", **chosen).out.splitlines()} == {"v2"}
    assert {path.split("/")[1] for path in json.loads(run("openapi", **chosen).out)["paths"]} == {"v2"}


@pytest.mark.parametrize("command", ["routes", "openapi", "serve"])
def test_a_router_that_does_not_exist_stops_a_command_with_those_that_do(run, command, port):
    ran = run(command, **PRODUCTION, EXAMPLE_ROUTERS="thing", EXAMPLE_SERVER__PORT=str(port))
    assert ran.code == EX_CONFIG
    assert "EXAMPLE_ROUTERS=thing names a router that example does not have" in ran.err
    assert "Accepts: comma-separated: things, things_v2" in ran.err
    assert "did you mean things?" in ran.err


async def test_the_document_is_printed_as_it_is_served(run, client):
    printed = await asyncio.to_thread(run, "openapi")
    assert json.loads(printed.out) == (await client.get("/openapi.json")).json()


@pytest.mark.parametrize("command", [["serve"], [], ["settings"]], ids=str)
def test_a_wrong_configuration_names_all_that_is_wrong(run, command):
    ran = run(
        *command, EXAMPLE_SERVER__PORT="0", EXAMPLE_DATABASE__URL="mysql://u:hunter2-canary@h/d", EXAMPLE_PROT="1"
    )
    assert ran.code == EX_CONFIG
    for wrong in ("EXAMPLE_SERVER__PORT", "EXAMPLE_DATABASE__URL", "EXAMPLE_PROT", "EXAMPLE_SECRET_KEY is missing"):
        assert wrong in ran.err
    assert "canary" not in ran.err + ran.out
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "up"], ["migrate", "check"]], ids=str)
def test_a_migration_names_what_is_wrong_with_its_database_alone(run, command):
    ran = run(
        *command, EXAMPLE_SERVER__PORT="0", EXAMPLE_DATABASE__URL="mysql://u:hunter2-canary@h/d", EXAMPLE_PROT="1"
    )
    assert ran.code == EX_CONFIG
    assert "example cannot start: 2 settings are wrong" in ran.err
    assert "EXAMPLE_DATABASE__URL=*** (environment) is refused: it is not a postgresql:// URL" in ran.err
    assert "EXAMPLE_PROT (environment) is not a setting of example" in ran.err
    assert "canary" not in ran.err + ran.out
    assert "Traceback" not in ran.err


def test_a_service_whose_database_is_away_says_so_and_ends_with_3(run, port):
    away = {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": "postgresql://u:hunter2-canary@127.0.0.1:1/d"}
    ran = run("serve", "--port", str(port), EXAMPLE_LOGS__FORMAT="json", **away)
    assert ran.code == 3
    assert ran.err.startswith("example: database did not open: The database cannot be reached right now (Connect")
    assert ran.err.count("\n") == 1
    assert all(json.loads(line)["event"] for line in ran.out.splitlines())
    assert "exception" not in ran.out
    assert "canary" not in ran.out + ran.err


def test_a_database_that_does_not_answer_fails_a_migration_in_one_sentence(run):
    unreachable = {"EXAMPLE_DATABASE__URL": "postgresql://u:hunter2-canary@127.0.0.1:1/d"}
    ran = run("migrate", "up", EXAMPLE_ENVIRONMENT="local", **unreachable)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("The database cannot be reached: ConnectionRefusedError")
    assert "canary" not in ran.err


@pytest.fixture
def database(postgres):
    """An empty database, told as the environment tells it."""
    postgres.create_database("cli_commands")
    yield {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": postgres.url("cli_commands")}
    postgres.drop_database("cli_commands")


def test_a_schema_is_brought_up_to_date_and_compared(run, database):
    behind = run("migrate", "check", **database)
    told = "the database is at no migration, the code at 0005_revoked_sessions: run example migrate first\n"
    assert behind == (1, "", told)

    for command in (["migrate"], ["migrate", "up"]):
        ran = run(*command, **database)
        assert (ran.code, ran.out.startswith("example: the schema is at 0005_revoked_sessions")) == (0, True)
    assert run("migrate", "check", **database) == (0, "example: models and schema are equal\n", "")
    nothing = run("migrate", "new", "add colour", **database)
    assert nothing == (0, "example: models and schema are equal, so there is nothing to write\n", "")


def test_what_migrates_needs_no_setting_but_its_database(run, database, tmp_path):
    (tmp_path / "example_database__url").write_text(database["EXAMPLE_DATABASE__URL"])
    deployed = {"EXAMPLE_ENVIRONMENT": "production", "EXAMPLE_SECRETS_DIR": str(tmp_path)}
    for others in ({}, {"EXAMPLE_SERVER__PORT": "0", "EXAMPLE_MAIL__SENDER": "nobody"}):
        ran = run("migrate", **deployed, **others)
        assert (ran.code, ran.err) == (0, "")
    assert "EXAMPLE_SECRET_KEY is missing" in run("serve", **deployed).err


@pytest.fixture
def coloured(service):
    """The models of the example, one column ahead of its migrations."""
    things = service.migrations.metadata[0].tables["things"]
    things.append_column(Column("colour", Text, nullable=False))
    yield
    things._columns.remove(things.c.colour)


@pytest.fixture
def folder(service, tmp_path, monkeypatch):
    """Its migrations, where a test may add one."""
    copied = shutil.copytree(service.migrations.folder(), tmp_path / "migrations")
    monkeypatch.setattr("core.migrations.migrations.folder_of", lambda _package: copied)
    return copied


@pytest.mark.usefixtures("coloured")
def test_where_nothing_is_configured_models_are_compared_on_a_database_that_is_thrown_away(run, folder):
    different = run("migrate", "check")
    assert different == (1, "things: column colour is in the models and not in the schema\n", "")
    ran = run("migrate", "new", "add colour")
    review, written = ran.out.splitlines()
    assert (ran.code, written) == (0, f"Written, for you to review: {folder}/0006_add_colour.py")
    assert review.startswith("Review: things: column colour is NOT NULL and has no server default: this fails")
    assert run("migrate", "check") == (0, "example: models and schema are equal\n", "")


def test_one_to_be_written_by_hand_needs_no_database(run, folder, monkeypatch):
    monkeypatch.setattr("core.migrations.authoring.author.find_ruff", lambda: None)
    ran = run("migrate", "new", "--empty", "add colour")
    told = "Not formatted: there is no ruff, neither installed here nor on PATH."
    assert ran == (0, f"{told}\nWritten, for you to review: {folder}/0006_add_colour.py\n", "")


def test_without_a_database_and_without_one_to_throw_away_the_variable_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "core.local", None)
    ran = run("migrate", "check")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("EXAMPLE_DATABASE__URL is not set, and core[local], which brings a PostgreSQL of its own")


@pytest.mark.parametrize("given", [{"EXAMPLE_ENVIRONMENT": "staging"}, {"EXAMPLE_DATABASE__ULR": "postgresql://h/d"}])
def test_what_is_half_configured_is_compared_with_nothing(run, given):
    ran = run("migrate", "check", **given)
    assert (ran.code, "EXAMPLE_DATABASE__URL is missing" in ran.err) == (EX_CONFIG, True)


def claims(token: str) -> dict:
    return jwt.decode(token.strip(), options={"verify_signature": False})


def test_a_token_is_somebody_new_for_an_hour(run, elsewhere):
    ran = run("token", EXAMPLE_DATA_DIR=str(elsewhere / "data"))
    assert ran.code == 0
    first, second = claims(ran.out), claims(run("token", EXAMPLE_DATA_DIR=str(elsewhere / "data")).out)
    assert (first["exp"] - first["iat"], first["iss"], first["aud"]) == (3600, "urn:local", ["api"])
    assert first["sub"].startswith("usr_")
    assert first["sub"] != second["sub"]


def test_a_token_is_for_whom_it_is_asked_for(run, elsewhere):
    subject = "usr_01h455vb4pex5vsknk084sn02q"
    told = claims(run("token", "--subject", subject, "--minutes", "5", "--data", str(elsewhere)).out)
    assert (told["sub"], told["exp"] - told["iat"]) == (subject, 300)
    assert (elsewhere / "token-key.pem").exists()


@pytest.mark.parametrize("subject", ["me", "inv_01h455vb4pex5vsknk084sn02q", "usr_"])
def test_a_subject_that_no_service_would_believe_is_refused(run, elsewhere, subject):
    ran = run("token", "--subject", subject, "--data", str(elsewhere))
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value for '--subject'" in ran.err


def test_a_token_is_refused_outside_of_a_laptop(run, elsewhere):
    ran = run("token", EXAMPLE_ENVIRONMENT="production", EXAMPLE_DATA_DIR=str(elsewhere / "data"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "EXAMPLE_ENVIRONMENT is production, but this host is for local development: unset it.\n"


def test_a_role_is_the_scopes_that_its_operations_ask_for():
    router = OpenRouter(prefix="/v1/guarded", tags=["guarded"])

    @router.get("", dependencies=[Depends(requires("things:read"))])
    async def read() -> None: ...

    @router.post("", dependencies=[Depends(requires("things:write"))])
    async def write() -> None: ...

    known = scopes_of([*router.routes, Mount("/docs", routes=[])])
    assert known == {"things:read", "things:write"}
    assert _granted(Role.ADMIN, known) == known
    assert _granted(Role.SUPPORT, known) == {"things:read"}
    assert _granted(Role.USER, known) == set()


def test_a_data_directory_that_cannot_be_written_is_said_in_one_sentence(run, elsewhere, port):
    (elsewhere / "file").write_text("")
    blocked = str(elsewhere / "file" / "data")
    for command in (["dev", "--port", str(port)], ["token"], ["psql"], ["reset", "--yes"]):
        ran = run(*command, EXAMPLE_DATA_DIR=blocked)
        assert (ran.code, ran.err) == (1, f"{elsewhere}/file is not a directory.\n")


def test_a_port_in_use_is_said_before_anything_starts(run, elsewhere, port):
    with socket.create_server(("127.0.0.1", port)):
        for command in (["dev"], ["serve", "--host", "127.0.0.1"]):
            ran = run(*command, "--port", str(port), **PRODUCTION)
            assert (ran.code, ran.out) == (1, "")
            assert ran.err.startswith(f"Port {port} on 127.0.0.1 is in use by another process")
    assert not (elsewhere / ".local").exists()


def test_what_is_stored_is_deleted_and_nothing_else(run, elsewhere):
    data = elsewhere / "data"
    run("token", EXAMPLE_DATA_DIR=str(data))
    (data / "mail").mkdir()
    (data / "notes.txt").write_text("mine")
    ran = run("reset", "--yes", EXAMPLE_DATA_DIR=str(data))
    assert ran.code == 0
    assert [each.name for each in data.iterdir()] == ["notes.txt"]

    (data / "notes.txt").unlink()
    assert run("reset", "--yes", EXAMPLE_DATA_DIR=str(data)) == (0, f"{data} is gone.\n", "")
    assert not data.exists()


def test_nothing_is_deleted_without_a_yes(run, elsewhere, monkeypatch):
    data = elsewhere / "data"
    run("token", EXAMPLE_DATA_DIR=str(data))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("reset", EXAMPLE_DATA_DIR=str(data)).code == 1
    assert (data / "token-key.pem").exists()


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StartupError("example: database did not open"), 3),
        (Conflict("It is paid."), 1),
        (LocalError("It is not a directory."), 1),
        (MigrationError("It has two heads."), 1),
        (LocalError("postgresql://u:hunter2-canary@h/d"), 1),
    ],
    ids=str,
)
def test_a_failure_that_has_a_sentence_is_that_sentence(capsys, failure, code):
    with pytest.raises(SystemExit) as ended, clear_failures():
        raise failure
    assert ended.value.code == code
    assert capsys.readouterr().err == f"{str(failure).replace('hunter2-canary', '***')}\n"


def test_a_failure_that_nobody_foresaw_keeps_its_traceback():
    with pytest.raises(RuntimeError), clear_failures():
        raise RuntimeError


def test_without_the_tools_of_a_laptop_failures_are_clear_all_the_same(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "core.local.errors", None)
    with pytest.raises(SystemExit), clear_failures():
        raise Conflict
    with pytest.raises(LocalError), clear_failures():
        raise LocalError
