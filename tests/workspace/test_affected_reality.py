"""`affected` against what really happens: the files that the members' tests open, and the packages that uv installs."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from workspace.affected import environments, paths
from workspace.affected.lock import Lock

ROOT = Path(__file__).parents[2]
# They are read table by table, which has its own tests.
BY_TABLE = {"pyproject.toml", "uv.lock"}

lock = Lock.read((ROOT / "uv.lock").read_text())
(root,) = (member for member, folder in lock.members.items() if folder == ".")
folders = {folder: member for member, folder in lock.members.items() if folder != "."}
suites = {**{member: f"{folder}/tests" for folder, member in folders.items()}, "system": "tests/system"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Which files of ours each unit's tests open when they are collected, and when one runs that needs no database."""
    scratch = tmp_path_factory.mktemp("opened")
    listed = subprocess.check_output(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    )
    ours = set(map(os.fsdecode, listed.split(b"\0")))

    def run(unit: str) -> set[str]:
        options = (suites[unit], "-q", "-p", "no:cacheprovider", "-k", "committed_document", "-W", "ignore")
        command = [sys.executable, Path(__file__).with_name("opened.py"), scratch / unit, *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
        assert done.returncode in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}, done.stdout + done.stderr
        return {_source(file) for file in (scratch / unit).read_text().split("\0")} & ours

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(suites, pool.map(run, suites), strict=True))


def _source(file: str) -> str:
    """The path from the root of a file or, for compiled code, of what it was compiled from."""
    source = re.sub(r"__pycache__/([^/.]+)\.[^/]*\.pyc.*", r"\1.py", file)
    return str(Path(source).relative_to(ROOT)) if Path(source).is_relative_to(ROOT) else source


@pytest.mark.parametrize("unit", suites)
def test_each_file_that_the_tests_of_a_unit_open_touches_it(opened: dict[str, set[str]], unit: str):
    # Where siblings are installed the test kit looks at them, too; the sessions that CI runs install none.
    siblings = {f"{folder}/src/{name}/__init__.py" for folder, name in folders.items() if name not in {unit, "core"}}
    missed = opened[unit] - BY_TABLE - (siblings if unit in lock.members else set())
    users = environments.users(lock)
    for path in sorted(missed):
        if any({unit, "*"} & touch.units for touch in paths.touches(path, folders=folders, users=users)):
            missed.remove(path)
    assert not missed


def test_what_the_tests_open_is_seen(opened: dict[str, set[str]]):
    for folder, member in folders.items():
        assert f"{folder}/pyproject.toml" in opened[member]
        assert f"{folder}/tests/conftest.py" in opened[member]
        assert "packages/core/src/core/testing/plugin.py" in opened[member]
        if (ROOT / folder / "openapi.json").exists():
            assert f"{folder}/openapi.json" in opened[member]
    assert "tests/system/processes.py" in opened["system"]


@pytest.mark.parametrize("member", lock.members)
def test_the_environment_of_a_member_is_what_uv_would_install(member: str):
    group = "dev" if lock.members[member] == "." else "test"
    chosen = (f"--package={member}", "--all-extras", "--no-default-groups", f"--group={group}")
    shown = ("--frozen", "--quiet", "--no-hashes", "--no-header", "--no-annotate")
    listed = subprocess.check_output([os.environ.get("UV", "uv"), "export", *chosen, *shown], cwd=ROOT, text=True)
    # `-e ./packages/core` or `httpx==1.0 ; python_version < '4'`; the root itself is nothing to install.
    named = {re.split(r"[=\s]", line.removeprefix("-e ./"))[0] for line in listed.splitlines()}
    assert {folders.get(name, name) for name in named} == lock.closure(member).keys() - {root}
