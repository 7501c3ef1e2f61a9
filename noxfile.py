"""All that must hold, as sessions: `uv run nox` runs it, `uv run nox -l` lists it."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

# `uv run` says which uv it is: on a bare machine the one in .local/uv, which is on no PATH.
UV = os.environ.get("UV", "uv")
WORKSPACE = nox.project.load_toml("pyproject.toml")["tool"]["uv"]["workspace"]["members"]
# A member's folder, distribution and package have one name.
MEMBERS = {
    path.parent.name: path.parent for glob in WORKSPACE for path in sorted(Path().glob(f"{glob}/pyproject.toml"))
}
# Branches that a member's own tests must run, in per cent; 95 for a member that is not named here.
COVERAGE = {"core": 100, "billing": 95, "gateway": 95, "users": 95}
# What of a member's tests runs beside the others: about half, by the clock.
BESIDE = {
    "core": ["cli", "jobs", "local", "migrations", "notes_service", "server"],
    "billing": ["test_conformance.py"],
    "users": ["test_conformance.py"],
}
PYTHONS = ["3.11", "3.12", "3.13"]


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Find what ruff knows to be wrong, and what it would format differently."""
    session.run("ruff", "check", external=True)
    session.run("ruff", "format", "--check", external=True)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check the types of all members and all tests with pyrefly."""
    session.run("pyrefly", "check", external=True)


@nox.session(venv_backend="none")
def imports(session: nox.Session) -> None:
    """Hold every import against the contracts in pyproject.toml."""
    session.run("lint-imports", "--no-logo", external=True)


@nox.session(venv_backend="none")
def tidy(session: nox.Session) -> None:
    """Check lengths, names and opening sentences, which no linter does, and that `dev` finds its way."""
    # Without core's own plugin: this says its say while core is broken, too.
    session.run("pytest", "-p", "no:core", "tests/tidy", "tests/dev", external=True)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Hold docs/operations.md against the settings, problem codes and probes in the code."""
    session.run("pytest", "tests/docs", external=True)


@nox.session(venv_backend="none")
def contract(session: nox.Session) -> None:
    """Refuse a committed openapi.json that breaks clients (since -- --base REVISION), and print its size."""
    session.run("pytest", "-p", "no:core", "tests/contract", "--quiet", external=True)
    session.run("python", "tests/contract/contracts.py", *session.posargs, external=True)


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
    beside = [f"{folder}/{name}" for name in BESIDE.get(member, ())]
    pytest = ["-m", "pytest", "--quiet"]
    measured = ["coverage", "run", f"--source={member}", *pytest]
    runs = [[*measured, folder, *(f"--ignore={each}" for each in beside)]]
    if beside:
        # The conformance suite runs much of a service that no test of the service looks at: that measures core alone.
        runs.append([*(measured if member == "core" else ["python", *pytest]), *beside])
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(session.run, *run, env=data) for run in runs]:
            done.result()
    session.run("coverage", "combine", "--quiet", env=data)
    session.run("coverage", "report", f"--fail-under={COVERAGE.get(member, 95)}", env=data)


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


@nox.session(venv_backend="none", default=False)
def soak(session: nox.Session) -> None:
    """Send each service what its document allows, and what not, for minutes and with a new seed each time."""
    suites = sorted(str(file) for folder in MEMBERS.values() for file in folder.glob("tests/test_conformance.py"))
    session.run(
        *("pytest", *suites, "--fuzz-examples=100", "-k", "answers_are_what_the_document_says"),
        *session.posargs,
        external=True,
    )


@nox.session(venv_backend="none")
def system(session: nox.Session) -> None:
    """Walk journeys over several services: real processes, real HTTP."""
    session.run("pytest", "tests/system", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure what the chassis costs, all of it or a group (-- chain); -- --write renders docs/performance.md."""
    # Bytecode is what a deployed service starts from.
    session.run("python", "-m", "bench", *session.posargs, env={"PYTHONDONTWRITEBYTECODE": ""}, external=True)


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
