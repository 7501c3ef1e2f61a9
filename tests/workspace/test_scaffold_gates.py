"""What the commands make passes every gate as it is, and goes without a trace; test_first_service serves it."""

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from repositories import git
from surroundings import run
from workspace.members import members_of

UV = os.environ.get("UV", "uv")
# Of all that `./dev test` runs: the environments of other members have nothing of it, nor has this suite.
GATES = ["lint", "types", "imports", "tidy", "docs", "contract", "build(otters)"]
GROWN = ["billing", "users"]
# What coverage(otters) does, otters being the same slice there: not mounted as well, nor with as many random requests,
# and how requests end where no slice is in the way not at all.
OF_SLICES = [
    *("-m", "pytest", "--quiet", "--fuzz-examples=2", "-k", "not mounted and not exit"),
    *(f"services/{service}/tests/test_{suite}.py" for service in GROWN for suite in ("otters", "conformance")),
]


def nox(copy: Path, *arguments: str) -> str:
    return run(copy, UV, "run", "--no-sync", "nox", *arguments)


@pytest.fixture(scope="session")
def copy(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with an environment of its own, a slice more in two services, and a service more; each is committed."""
    copy = shutil.copytree(project, tmp_path_factory.mktemp("grown") / "copy")
    run(copy, UV, "sync", "--quiet", "--locked", "--python", sys.executable)
    for service in GROWN:
        nox(copy, "--session", "new-slice", "--", service, "otters")
        git(copy, "add", "--all")
        git(copy, "commit", "--quiet", "--message", f"Add otters to {service}")
    nox(copy, "--session", "new-service", "--", "otters")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "Add otters")
    return copy


@pytest.fixture(scope="session")
def runs(copy: Path) -> Iterator[dict[str, Future[str]]]:
    """Everything that takes long, side by side."""
    with ThreadPoolExecutor(2) as pool:
        coverage = pool.submit(nox, copy, "--session", "coverage(otters)")
        gates = pool.submit(nox, copy, "--session", *GATES)
        slices = pool.submit(run, copy, str(copy / ".venv/bin/python"), *OF_SLICES)
        journeys = pool.submit(nox, copy, "--session", "system", "--", "-k", "journey and gateway")
        yield {"coverage": coverage, "gates": gates, "slices": slices, "journeys": journeys}


@pytest.mark.parametrize("asked", ["coverage", "gates", "slices", "journeys"])
def test_what_was_made_passes_every_gate(runs, asked):
    runs[asked].result()


def test_nox_knows_its_sessions_without_a_line_in_the_noxfile(copy):
    listed = nox(copy, "--list")
    assert {f"{session}(otters)" for session in ("tests", "coverage", "build")} <= set(listed.split())
    assert git(copy, "diff", "--name-only", "HEAD~3", "--", ".", ":!services").splitlines() == [
        "compose.yaml",
        "deploy/edge/services",
        "deploy/observability/prometheus.yaml",
        "pyproject.toml",
        "uv.lock",
    ]


# The last one: what the others look at is gone then.
def test_its_removal_leaves_no_trace(runs, copy):
    for each in runs.values():
        each.exception()
    nox(copy, "--session", "remove-service", "--", "otters")
    git(copy, "add", "--all")
    assert git(copy, "diff", "--cached", "--name-only", "HEAD~1") == ""
    installed = "import importlib.metadata as m; print(*(p.name for p in m.entry_points(group='core.services')))"
    left = {member.name for member in members_of(copy).values() if member.is_service}
    assert set(run(copy, str(copy / ".venv/bin/python"), "-c", installed).split()) == left
    assert not (copy / ".venv/bin/otters").exists()
