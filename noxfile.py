"""All that must hold, as sessions: `uv run nox` runs it, `uv run nox -l` lists it."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

# Where it is set, each of hundreds of processes would compile all of our own code anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# `uv run` says which uv it is: on a bare machine the one in .local/uv, which is on no PATH.
UV = os.environ.get("UV", "uv")
PROJECT = nox.project.load_toml("pyproject.toml")
WORKSPACE = PROJECT["tool"]["uv"]["workspace"]["members"]
# A member's folder, distribution and package have one name.
MEMBERS = {
    path.parent.name: path.parent for glob in WORKSPACE for path in sorted(Path().glob(f"{glob}/pyproject.toml"))
}
# Branches that a member's own tests must run, in per cent: core's, and those of any other member.
COVERAGE_OF_CORE, COVERAGE = 100, 95
# What of a member's tests runs beside the others, in core and in any other member: about half, by the clock.
BESIDE_IN_CORE = ["cli", "events/crash", "jobs", "local", "migrations", "notes_service", "server"]
BESIDE = ["test_conformance.py"]
PYTHONS = nox.project.python_versions(PROJECT)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Find what ruff knows to be wrong or would format differently, and what is unsafe in workflows or migrations."""
    session.run("ruff", "check", external=True)
    session.run("ruff", "format", "--check", external=True)
    session.run("python", "-m", "workspace", "lint-migrations", external=True)
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run("zizmor", "--quiet", "--offline", *workflows, external=True)
    if shutil.which("actionlint"):
        # The same findings everywhere, whichever other linters a machine has.
        session.run("actionlint", "-shellcheck=", "-pyflakes=", *workflows, external=True)
    else:
        session.warn("There is no actionlint for this machine: workflows are NOT CHECKED by it")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check the types of all members and all tests with pyrefly."""
    session.run("pyrefly", "check", external=True)


@nox.session(venv_backend="none")
def imports(session: nox.Session) -> None:
    """Hold every import against the contracts in pyproject.toml, and against what its member declares."""
    session.run("lint-imports", "--no-logo", external=True)
    session.run("python", "-m", "workspace", "declarations", external=True)


@nox.session(venv_backend="none")
def tidy(session: nox.Session) -> None:
    """Check lengths, names and opening sentences, which no linter does, and that `dev` finds its way."""
    # Without core's own plugin: this says its say while core is broken, too.
    session.run("pytest", "-p", "no:core", "tests/tidy", "tests/dev", external=True)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Hold docs/operations.md, and the page of each service, against the code."""
    session.run("pytest", "tests/docs", external=True)


@nox.session(venv_backend="none")
def contract(session: nox.Session) -> None:
    """Refuse an openapi.json that breaks clients (since -- --base REVISION), and handlers of what nobody announces."""
    session.run("pytest", "-p", "no:core", "tests/contract", "--quiet", external=True)
    session.run("python", "tests/contract/contracts.py", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def migrations(session: nox.Session) -> None:
    """Test, where migrations have changed, each release on the schema of the other (since -- --base REVISION)."""
    session.run("python", "-m", "workspace", "rolling", *session.posargs, external=True)


EACH_MEMBER = nox.parametrize("member", [nox.param(member, id=member) for member in MEMBERS])


@nox.session(default=False)
@EACH_MEMBER
def tests(session: nox.Session, member: str) -> None:
    """Test one member, or a part of it (-- -k pay), as fast as it goes; the default run does so under `coverage`."""
    session.run("pytest", install_alone(session, member), *session.posargs)


@nox.session
@EACH_MEMBER
def coverage(session: nox.Session, member: str) -> None:
    """Test one member where its siblings are not installed, and measure which branches its tests run."""
    folder = install_alone(session, member)
    data = {"COVERAGE_FILE": f"{session.virtualenv.location}/.coverage"}
    session.run("coverage", "erase", env=data)
    beside = [f"{folder}/{name}" for name in (BESIDE_IN_CORE if member == "core" else BESIDE)]
    beside = [each for each in beside if Path(each).exists()]
    pytest = ["-m", "pytest", "--quiet"]
    measured = ["coverage", "run", f"--source={member}", *pytest]
    runs = [[*measured, folder, *(f"--ignore={each}" for each in beside)]]
    if beside:
        # The conformance suite runs much of a service that no test of the service looks at: that measures core alone.
        runs.append([*(measured if member == "core" else ["python", *pytest]), *beside])
    side_by_side(session, *runs, env=data)
    session.run("coverage", "combine", "--quiet", env=data)
    floor = COVERAGE_OF_CORE if member == "core" else COVERAGE
    session.run("coverage", "report", f"--fail-under={floor}", env=data)


def side_by_side(session: nox.Session, *runs: list[str], **options: Any) -> None:
    """Runs commands at once, each to its end."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(session.run, *run, **options) for run in runs]:
            done.result()


def install_alone(session: nox.Session, member: str) -> str:
    """Installs one member into the session's environment, and nothing that it does not declare; gives its tests."""
    environment = {"UV_PROJECT_ENVIRONMENT": session.virtualenv.location}
    sync = [UV, "sync", "--quiet", "--locked", "--no-default-groups", f"--package={member}", "--group=test"]
    session.run_install(*sync, env=environment)
    present = "import sys, importlib.util as u; print(*filter(u.find_spec, sys.argv[1:]))"
    siblings = session.run("python", "-c", present, *(MEMBERS.keys() - {member, "core"}), silent=True)
    if str(siblings).strip():
        session.error(f"{member} would be tested beside {siblings}")
    return str(MEMBERS[member] / "tests")


@nox.session(venv_backend="none")
@EACH_MEMBER
def build(session: nox.Session, member: str) -> None:
    """Build one member, install its wheel without siblings, extras and test tools, and run it (-- --out FOLDER)."""
    session.run("python", "-m", "workspace", "build", member, *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def soak(session: nox.Session) -> None:
    """Fuzz each service by its document, kill what carries 10 000 events, live a year of billing, roll replicas."""
    suites = sorted(str(file) for folder in MEMBERS.values() for file in folder.glob("tests/test_conformance.py"))
    session.run(
        *("pytest", *suites, "--fuzz-examples=100", "-k", "answers_are_what_the_document_says"),
        *session.posargs,
        external=True,
    )
    crash = ["pytest", "packages/core/tests/events/crash", "--events=10000"]
    # What is asked for may be none of these.
    session.run(*crash, *session.posargs, success_codes=[0, 5], external=True)
    year = ["pytest", "services/billing/tests/test_year.py", "--subscriptions=1000"]
    session.run(*year, *session.posargs, success_codes=[0, 5], external=True)
    rolls = ["pytest", "tests/system/test_rolling.py", "--rolls=20"]
    session.run(*rolls, *session.posargs, success_codes=[0, 5], external=True)
    idle = ["pytest", "packages/core/tests/server/idle", "--connections=10000"]
    session.run(*idle, *session.posargs, success_codes=[0, 5], external=True)


@nox.session(venv_backend="none")
def system(session: nox.Session) -> None:
    """Walk journeys over several services, and hold the edge to what it promises: real processes, real HTTP."""
    session.run("pytest", "tests/system", "tests/edge", "tests/pgbouncer", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def images(session: nox.Session) -> None:
    """Build the images, boot compose.yaml, send journeys and the conformance suite through its edge; wants Docker."""
    docker = shutil.which(os.environ.get("DOCKER_CLI", "docker"))
    if not docker or subprocess.run([docker, "version"], capture_output=True, check=False).returncode:
        # Somebody has to have looked: at a desk it may be nobody, in CI not.
        refuse = session.error if os.environ.get("CI") else session.skip
        refuse("No Docker engine answers: images and compose.yaml are NOT TESTED")
    session.run("pytest", "tests/images", *session.posargs, external=True)


@nox.session(venv_backend="none")
def workspace(session: nox.Session) -> None:
    """Make a service in a copy of the workspace, hold it to every gate, and check what else works on the workspace."""
    suite, beside = "tests/workspace", "tests/workspace/test_scaffold_gates.py"
    if session.posargs:
        session.run("pytest", suite, *session.posargs, external=True)
    else:
        rest = ["pytest", "--quiet", suite, f"--ignore={beside}"]
        side_by_side(session, rest, ["pytest", "--quiet", beside], external=True)


@nox.session(name="new-service", venv_backend="none", default=False)
def new_service(session: nox.Session) -> None:
    """Make a service from the template: -- orders, or -- orders --slice baskets."""
    scaffold(session, "new-service")


@nox.session(name="remove-service", venv_backend="none", default=False)
def remove_service(session: nox.Session) -> None:
    """Take a service out of the workspace: -- orders; its folder is kept in .local/removed."""
    scaffold(session, "remove-service")


@nox.session(name="new-slice", venv_backend="none", default=False)
def new_slice(session: nox.Session) -> None:
    """Add a slice to a service, from the same template: -- billing refunds."""
    scaffold(session, "new-slice")


def scaffold(session: nox.Session, command: str) -> None:
    """Runs a command that puts everything back when it is interrupted, for which it gets the time."""
    patience_s = {"interrupt_timeout": 60, "terminate_timeout": 60}
    session.run("python", "-m", "workspace", command, *session.posargs, external=True, **patience_s)


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure what the chassis costs, all of it or a group (-- chain); -- --write renders docs/performance.md."""
    session.run("python", "-m", "bench", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def affected(session: nox.Session) -> None:
    """Print whose tests a change can make come out otherwise, and why (-- --base origin/main, -- --json)."""
    session.run("python", "-m", "workspace", "affected", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
@nox.parametrize("version", [nox.param(version, id=version) for version in PYTHONS])
def matrix(session: nox.Session, version: str) -> None:
    """Run the tests of all members and the journeys under one more Python; a missing one is said aloud."""
    interpreter = find(version)
    if not interpreter:
        session.skip(f"Python {version} is not on this machine: NOT TESTED")
    folder = f".nox/{version}"
    sessions = ["nox", "--envdir", folder, "--session", "tests", "system"]
    root = {"UV_PROJECT_ENVIRONMENT": f"{folder}/root", "VIRTUAL_ENV": None}
    session.run(UV, "run", "--locked", "--python", interpreter, *sessions, env=root, external=True)


def find(version: str) -> str:
    """The path of a Python: pyenv's, which its shims hide, or what uv finds; nothing is downloaded."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for interpreter in pyenv.glob(f"versions/{version}.*/bin/python"):
        return str(interpreter)
    search = [UV, "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(search, capture_output=True, check=False, text=True)
    return found.stdout.strip()
