"""A command makes all of its changes or none, and says in one sentence why it makes none."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import ANY

import pytest
from repositories import git
from workspace.scaffold import deployment, programs, registration, services, slices
from workspace.scaffold.refusals import Refused
from workspace.scaffold.services import new_service, remove_service
from workspace.scaffold.slices import new_slice
from workspace.scaffold.turns import LOCK, NOTE

PATIENCE_S = 30


@pytest.fixture
def ran(monkeypatch):
    """What would run: programs, which need an environment, are only named here."""
    ran = []

    def note(program):
        return lambda _root, *arguments: ran.append((program, *map(str, arguments)))

    for program in ("lock", "install", "uninstall", "command", "put_in_order"):
        monkeypatch.setattr(programs, program, note(program))
    return ran


def state(tree: Path) -> dict[Path, bytes]:
    """Every file of the tree, but for git's own, those of compiled code, and the lock that any command takes."""
    files = {path.relative_to(tree): path for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    return {path: file.read_bytes() for path, file in files.items() if ".git" not in path.parts and path != LOCK}


def a_service(tree: Path) -> None:
    new_service(tree, "otters", slice_name=None, singular=None)


def a_slice(tree: Path) -> None:
    new_slice(tree, "billing", "otters", singular=None)


def no_users(tree: Path) -> None:
    remove_service(tree, "users")


def test_a_service_is_written_locked_installed_migrated_documented_and_formatted(tree, ran):
    new_service(tree, "otters", slice_name="baskets", singular=None)
    assert git(tree, "status", "--porcelain").splitlines() == [
        "M compose.yaml",
        " M deploy/edge/services",
        " M deploy/observability/prometheus.yaml",
        " M pyproject.toml",
        "?? services/otters/",
    ]
    assert {path.name for path in (tree / "services/otters").rglob("*baskets*")} == {
        "baskets",
        "test_baskets.py",
        "test_baskets_events.py",
    }
    written = b"".join(state(tree / "services/otters").values()).decode()
    assert not re.findall(r"(?i)acme|widget|wdg", written)
    assert ran == [
        ("lock",),
        ("install",),
        ("command", "otters", "migrate", "new", "baskets"),
        ("command", "otters", "openapi", "--write"),
        ("put_in_order", str(tree / "services/otters")),
    ]


def test_each_step_is_shown_and_the_last_lines_say_what_to_do(tree, ran, capsys):
    a_service(tree)
    steps, _, advice = capsys.readouterr().out.partition("\n\n")
    assert re.findall(r"^(.*?) +\d+\.\d s$", steps, re.MULTILINE) == [
        "check the working tree and the name",
        "write services/otters",
        "register it in pyproject.toml",
        "add it to compose.yaml and deploy",
        "uv lock",
        "uv sync",
        "otters migrate new otters",
        "otters openapi --write",
        "sort imports and format",
    ]
    assert './dev nox -s "tests(otters)"' in advice
    assert "./dev nox -s remove-service -- otters" in advice


STEPS_OF_SERVICE = [
    (services, "write"),
    (registration, "add_service"),
    (deployment, "add_service"),
    (programs, "lock"),
    (programs, "install"),
    (programs, "command"),
    (programs, "put_in_order"),
]
STEPS_OF_SLICE = [
    (slices, "write"),
    (slices, "add_declarations"),
    (slices, "add_rows"),
    (registration, "add_slice"),
    (programs, "command"),
    (programs, "put_in_order"),
]
STEPS_OF_REMOVAL = [
    (registration, "remove_service"),
    (deployment, "remove_service"),
    (programs, "uninstall"),
    (shutil, "move"),
    (programs, "lock"),
]


@pytest.mark.parametrize(
    ("command", "module", "step"),
    [
        *((a_service, *step) for step in STEPS_OF_SERVICE),
        *((a_slice, *step) for step in STEPS_OF_SLICE),
        *((no_users, *step) for step in STEPS_OF_REMOVAL),
    ],
)
def test_an_interruption_in_any_step_leaves_everything_as_it_was(tree, ran, monkeypatch, capsys, command, module, step):
    before = state(tree)
    meant = getattr(module, step)

    def stop(*arguments):
        monkeypatch.setattr(module, step, meant)
        meant(*arguments)
        (tree / "pyproject.toml").write_text("half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, stop)
    with pytest.raises(KeyboardInterrupt):
        command(tree)
    assert state(tree) == before
    # The environment is what it was, too.
    assert ran[-1:] == {a_service: [("uninstall", "otters")], no_users: [("install",)]}.get(command, ran[-1:])
    assert capsys.readouterr().out.endswith("stopped\nEverything is as it was.\n")


def test_what_the_models_are_ahead_of_the_schema_gets_into_no_slice(tree, ran, monkeypatch):
    def check(_root, *command):
        assert command == ("billing", "migrate", "check")
        raise Refused("They differ")

    monkeypatch.setattr(programs, "command", check)
    before = state(tree)
    with pytest.raises(Refused, match="They differ"):
        a_slice(tree)
    assert (state(tree), ran) == (before, [])


def test_a_service_that_is_no_python_gets_no_slice(tree, ran):
    (tree / "services/billing/src/billing/money.py").write_text("one = 1\ndef two(:\n")
    git(tree, "commit", "--all", "--message", "Break it")
    with pytest.raises(
        Refused, match=r"services/billing/src/billing/money\.py:2 is no Python \(invalid syntax\): mend"
    ):
        a_slice(tree)
    assert ran == []


@pytest.mark.parametrize("command", [a_service, a_slice])
@pytest.mark.parametrize("changed", ["docs/new.md", "pyproject.toml"])
def test_a_dirty_tree_is_refused(tree, ran, command, changed):
    with (tree / changed).open("a") as file:
        file.write("\n")
    before = state(tree)
    with pytest.raises(Refused) as refused:
        command(tree)
    assert str(refused.value) == f"There are changes that are not committed ({changed}): commit or stash them first."
    assert (state(tree), ran) == (before, [])


def test_untracked_files_are_seen_whatever_git_is_told(tree, ran):
    git(tree, "config", "status.showUntrackedFiles", "no")
    (tree / "new").touch()
    (tree / "newer").touch()
    with pytest.raises(Refused, match=r"\(new and 1 more\)"):
        a_service(tree)


def test_a_service_is_judged_before_its_slice(tree, ran):
    with pytest.raises(Refused, match="'core' cannot be the name of a service: there is a folder packages/core"):
        new_service(tree, "core", slice_name=None, singular=None)


def test_ignored_files_are_nobodys_work(tree, ran):
    (tree / ".env").touch()
    a_service(tree)


@pytest.mark.parametrize("command", [a_service, a_slice])
def test_what_git_would_not_see_is_not_made(tree, ran, command):
    with (tree / ".gitignore").open("a") as file:
        file.write("repository.py\n")
    git(tree, "commit", "--all", "--message", "Hide some")
    with pytest.raises(Refused, match=r"git would not see services/\w+/src/\w+/\w+/repository\.py, which"):
        command(tree)
    assert ran == []


@pytest.mark.parametrize("command", [a_service, a_slice, no_users])
def test_what_is_no_repository_is_refused(tree, ran, monkeypatch, command):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tree.parent))
    shutil.rmtree(tree / ".git")
    with pytest.raises(Refused, match="git cannot tell what is committed: fatal: not a git repository"):
        command(tree)


@pytest.mark.parametrize("command", [a_service, a_slice, no_users])
def test_a_machine_without_git_is_refused(tree, ran, monkeypatch, command):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match="There is no git here"):
        command(tree)
    assert ran == []


@pytest.mark.parametrize("name", ["core", "gateway", "otters", "", ".", "../services/users", "Users"])
def test_what_is_no_service_is_neither_removed_nor_given_a_slice(tree, ran, name):
    before = state(tree)
    for refused in (lambda: remove_service(tree, name), lambda: new_slice(tree, name, "otters", singular=None)):
        with pytest.raises(Refused, match=rf"^{name!r} is no service here; these are: .*billing.*\.$"):
            refused()
    assert (state(tree), ran) == (before, [])


def test_a_service_that_another_one_declares_is_not_removed(tree, ran):
    file = tree / "services/billing/pyproject.toml"
    file.write_text(file.read_text().replace('dependencies = ["core', 'dependencies = ["users", "core'))
    with pytest.raises(Refused, match=r"^billing depends on users, which its pyproject\.toml declares"):
        no_users(tree)
    assert ran == []


def test_removal_undoes_a_new_service_and_loses_nothing(tree, ran, capsys):
    before = state(tree)
    for number in (1, 2):
        a_service(tree)
        (tree / "services/otters/mine.py").write_text("print('otters')")
        remove_service(tree, "otters")
        kept = tree / f".local/removed/otters-{number}"
        assert (kept / "mine.py").read_text() == "print('otters')"
        said = capsys.readouterr().out
        assert f"what it was is in .local/removed/otters-{number}.\n" in said
        # What it was taken out of does not say it still.
        assert not {"  compose.yaml", "  deploy/edge/services"} & set(said.splitlines())
    assert git(tree, "status", "--porcelain") == ""
    assert {path: text for path, text in state(tree).items() if ".local" not in path.parts} == before
    assert ran[-2:] == [("uninstall", "otters"), ("lock",)]


def test_removal_names_the_code_that_still_says_the_name(tree, ran, capsys):
    no_users(tree)
    _, _, named = capsys.readouterr().out.partition("still, as its name or as a word:\n")
    assert {"  compose.yaml", "  tests/system/test_journey.py"} <= set(named.splitlines())
    assert not re.search(r"\.md|uv\.lock|services/users/", named)


def run_slowly(tree: Path, tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """`new-service otters` with a uv that takes its time to lock; the file is there as soon as it does."""
    locking = tmp_path / "locking"
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$1" = lock ] || exit 0\ntouch {locking}\nexec sleep {PATIENCE_S}\n')
    uv.chmod(0o755)
    command = [sys.executable, "-m", "workspace", "new-service", "otters"]
    environment = os.environ | {"UV": str(uv), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    running = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until = time.monotonic() + PATIENCE_S
    while not locking.exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    return running, tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_everything_as_it_was(tree, tmp_path, number):
    before = state(tree)
    running, _ = run_slowly(tree, tmp_path)
    assert git(tree, "status", "--porcelain") != ""
    running.send_signal(number)
    said, _ = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, said.splitlines()[-1]) == (128 + number, "Everything is as it was.")
    assert state(tree) == before


def test_after_a_kill_the_next_run_says_what_undoes_it(tree, tmp_path, monkeypatch, ran):
    before = state(tree)
    running, folder = run_slowly(tree, tmp_path)
    running.kill()
    running.communicate(timeout=PATIENCE_S)
    with pytest.raises(Refused, match="`new-service otters` was killed half-way") as refused:
        a_service(tree)
    undo = str(refused.value).partition("undoes what it did: ")[2]
    assert re.match("git checkout -- pyproject.toml uv.lock compose.yaml deploy/.* && git clean -fdxq -- ", undo)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    subprocess.run(["sh", "-c", undo], cwd=tree, check=True)
    assert state(tree) == before | {NOTE: ANY}
    with pytest.raises(Refused, match="cannot be the name of a service"):
        new_service(tree, "Otters", slice_name=None, singular=None)
    # A clean tree is proof that this is over: what changes from here on is somebody's own work.
    assert not (tree / NOTE).exists()


@pytest.mark.parametrize("command", [a_service, a_slice, no_users])
def test_a_second_command_at_the_same_time_is_refused(tree, tmp_path, ran, command):
    running, _ = run_slowly(tree, tmp_path)
    try:
        during = state(tree)
        with pytest.raises(Refused, match=r"^`new-service otters` is running: wait until it has ended\.$"):
            command(tree)
        assert (state(tree), ran) == (during, [])
    finally:
        running.terminate()
        running.communicate(timeout=PATIENCE_S)
    command(tree)


def test_a_refusal_is_one_sentence_and_no_traceback(tree):
    command = [sys.executable, "-m", "workspace", "new-service", "Otters"]
    refused = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert re.fullmatch(r"'Otters' cannot be the name of a service, [^\n]*\.\n", refused.stderr)


def test_what_a_program_says_when_it_fails_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "UV", "sh")
    with pytest.raises(Refused, match=r"(?s)sh lock --quiet failed:\n.*lock"):
        programs.lock(tmp_path)


def test_a_program_hears_nothing_that_is_meant_for_others(tmp_path, monkeypatch):
    for name in ("UV_LOCKED", "UV_FROZEN", "UV_COMPILE_BYTECODE", "OTTERS_ENVIRONMENT", "otters_environment"):
        monkeypatch.setenv(name, "production")
    (tmp_path / "otters.py").write_text("import os; raise SystemExit('\\n'.join(os.environ))")
    with pytest.raises(Refused) as refused:
        programs.command(tmp_path, "otters", "migrate")
    assert not re.findall(
        r"(?i)^(?:uv_locked|uv_frozen|uv_compile_bytecode|otters_.*)$", str(refused.value), re.MULTILINE
    )
    assert "UV_PROJECT_ENVIRONMENT" in str(refused.value)
