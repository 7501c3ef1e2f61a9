"""What CI runs is what nox has: its matrix, its sessions, its gate; and the linters of workflows find a mistake."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
# Of this environment, as it is: in a copy it would be made anew.
AS_IT_IS = {"UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": sys.prefix}


def scripts(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def nox(*arguments: str, folder: Path = ROOT) -> str:
    """What it prints to be read by a program."""
    return subprocess.check_output([sys.executable, "-m", "nox", *arguments], cwd=folder, env=here(), text=True)


def here(**more: str) -> dict[str, str]:
    """With this environment's programs, and nothing that a run of this very workflow has set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "UV_LOCKED"))}
    return {**inherited, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


@pytest.fixture(scope="module")
def sessions() -> dict[str, bool]:
    """Each session of the noxfile, and whether it runs when none is named."""
    lines = re.findall(r"^([*-]) (\S+)", nox("--list-sessions"), re.MULTILINE)
    return {session: mark == "*" for mark, session in lines}


@pytest.fixture(scope="module")
def members(sessions: dict[str, bool]) -> list[str]:
    return sorted(re.findall(r"coverage\((\w+)\)", " ".join(sessions)))


@pytest.fixture(scope="module")
def pythons(sessions: dict[str, bool]) -> list[str]:
    return re.findall(r"matrix\(([\d.]+)\)", " ".join(sessions))


@pytest.fixture
def clone(tree: Path) -> Path:
    """A clone in which somebody works on one service."""
    (tree / "services/users/src/users/settings.py").write_text("changed = True\n")
    return tree


def outputs(clone: Path, base: str) -> dict[str, Any]:
    """What the job `affected` says, by its own script."""
    (script,) = scripts("affected")
    said = clone.parent / "output"
    environment = here(GITHUB_OUTPUT=str(said), BASE=base, **WORKFLOW["env"], **AS_IT_IS)
    subprocess.run(["bash", "-e", "-c", script], cwd=clone, env=environment, check=True, capture_output=True)
    (line,) = said.read_text().splitlines()
    name, _, value = line.partition("=")
    assert JOBS["affected"]["outputs"] == {name: f"${{{{ steps.affected.outputs.{name} }}}}"}
    return json.loads(value)


def test_a_pull_request_runs_a_job_for_each_touched_member_and_python(clone: Path, pythons: list[str]):
    base = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=clone, text=True).strip()
    answer = outputs(clone, base)
    assert answer == json.loads(nox("--session", "affected", "--", "--base", base, "--json", folder=clone))
    assert answer["matrix"]["include"] == [{"member": "users", "python": python} for python in pythons]
    assert (answer["system"], answer["workspace"], answer["pythons"]) == (True, True, pythons)


def test_on_main_nothing_is_left_out(clone: Path, members: list[str], pythons: list[str]):
    answer = outputs(clone, "")
    everything = [{"member": member, "python": python} for member in members for python in pythons]
    assert answer["matrix"] == {"include": everything}
    assert (answer["tests"], answer["system"], answer["workspace"]) == (True, True, True)


def test_a_base_that_is_not_there_fails_the_job(clone: Path):
    with pytest.raises(subprocess.CalledProcessError):
        outputs(clone, "0" * 40)


def test_the_base_is_the_pull_requests_and_the_whole_history_is_there():
    checkout, _, ask = JOBS["affected"]["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    assert ask["env"] == {"BASE": "${{ github.event.pull_request.base.sha }}"}


def test_the_jobs_read_the_answer_as_it_is_given():
    answer = "fromJSON(needs.affected.outputs.answer)"
    assert JOBS["tests"]["strategy"]["matrix"] == f"${{{{ {answer}.matrix }}}}"
    assert JOBS["system"]["strategy"]["matrix"] == {"python": f"${{{{ {answer}.pythons }}}}"}
    for job in ("tests", "system"):
        assert JOBS[job]["env"]["UV_PYTHON"] == "${{ matrix.python }}"
        assert JOBS[job]["strategy"]["fail-fast"] is False
    assert {name: job["if"] for name, job in JOBS.items() if "if" in job} == {
        **{job: f"{answer}.{job}" for job in ("tests", "system", "workspace")},
        "gate": "always()",
    }


def test_every_session_that_is_run_by_default_is_run_by_some_job_and_so_are_those_that_want_more(
    sessions: dict[str, bool], members: list[str]
):
    assert JOBS["tests"]["env"]["MEMBER"] == "${{ matrix.member }}"
    run = {
        word.replace("$MEMBER", member)
        for job in JOBS
        for script in scripts(job)
        if script.startswith("./dev test --session ")
        for word in takewhile("--".__ne__, shlex.split(script)[3:])
        for member in members
    }
    # What wants an engine, or the history of main, has it here, and perhaps not at a desk.
    wants_more = {"images", "migrations"}
    assert run == {session for session, default in sessions.items() if default} | wants_more
    assert not any(sessions[session] for session in wants_more)
    assert "affected" in sessions


def test_the_gate_waits_for_every_other_job():
    assert JOBS["gate"]["needs"] == [job for job in JOBS if job != "gate"]


CHANGED = {"tests": True, "system": True, "workspace": True}


@pytest.mark.parametrize(
    ("results", "touched", "passes"),
    [
        ({}, CHANGED, True),
        ({"tests": "skipped"}, {**CHANGED, "tests": False}, True),
        ({"tests": "skipped", "system": "skipped", "workspace": "skipped"}, dict.fromkeys(CHANGED, False), True),
        ({"tests": "failure"}, CHANGED, False),
        ({"tests": "failure"}, {**CHANGED, "tests": False}, False),
        ({"tests": "skipped"}, CHANGED, False),
        ({"tests": "cancelled"}, CHANGED, False),
        ({"system": "skipped"}, {**CHANGED, "tests": False}, False),
        ({"workspace": "failure"}, CHANGED, False),
        ({"lint": "failure"}, CHANGED, False),
        ({"lint": "skipped"}, dict.fromkeys(CHANGED, False), False),
        ({"affected": "failure", "tests": "skipped", "system": "skipped", "workspace": "skipped"}, None, False),
        ({"affected": "cancelled", "tests": "skipped"}, None, False),
        ({"tests": "skipped"}, None, False),
    ],
)
def test_the_gate_opens_if_each_job_succeeded_or_had_nothing_to_do(results, touched, passes):
    needs: dict[str, Any] = {
        job: {"result": results.get(job, "success"), "outputs": {}} for job in JOBS["gate"]["needs"]
    }
    if touched is not None:
        needs["affected"]["outputs"] = {"answer": json.dumps(touched)}
    (step,) = JOBS["gate"]["steps"]
    assert (step["shell"], step["env"]) == ("python", {"NEEDS": "${{ toJSON(needs) }}"})
    done = subprocess.run([sys.executable, "-c", step["run"]], env={"NEEDS": json.dumps(needs)}, check=False)
    assert (done.returncode == 0) is passes


def test_what_a_pull_request_says_reaches_no_script():
    assert not [script for job in JOBS for script in scripts(job) if "${{" in script]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job and job["timeout-minutes"] <= 20 for job in JOBS.values())


@pytest.mark.parametrize(
    ("line", "mistake", "finding"),
    [
        ("", "", "Session lint was successful"),
        ("needs: affected", "needs: nobody", 'job "tests" needs job "nobody" which does not exist'),
        ("needs.affected.outputs.answer).tests", "needs.affected.outputs.anwser).tests", '"anwser" is not defined'),
        ('"build($MEMBER)"', '"build(${{ github.head_ref }})"', "template-injection"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
    ],
)
def test_the_session_lint_finds_a_mistake_in_a_workflow(tmp_path: Path, line: str, mistake: str, finding: str):
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    assert line in text
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "workspace", tmp_path / "workspace")
    for members in ("packages", "services"):
        # What is first-party, and has migrations; ruff does not look into a link.
        (tmp_path / members).symlink_to(ROOT / members)
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/ci.yml").write_text(text.replace(line, mistake) if line else text)
    command = [sys.executable, "-m", "nox", "--session", "lint"]
    done = subprocess.run(command, cwd=tmp_path, env=here(), capture_output=True, check=False, text=True)
    assert finding in done.stdout + done.stderr
    assert (done.returncode == 0) is (not line)
