"""The script `dev` finds a uv, brings one if there is none, and gets out of the way; nothing real is installed here."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"
TOOLS = ("cat", "dirname", "id", "mkdir", "rm")
EX_UNAVAILABLE = 69

# Says where it was called and with what, an argument a line; runs no command but python.
UV = """\
#!/bin/sh
if [ "$1" = --version ]; then echo '{version}'; exit; fi
{{ pwd -P; printf '%s\\n' "$@"; }} >'{calls}'
if [ "$2" = python ]; then shift 2; exec '{python}' "$@"; fi
"""
# A Python that has neither venv nor pip.
BARE_PYTHON = "#!/bin/sh\nexit 1\n"
# One that has venv; what pip then brings is the uv above.
WHOLE_PYTHON = """\
#!/bin/sh
case "$*" in
'-m ensurepip --version') ;;
'-m venv .local/uv') mkdir -p .local/uv/bin && cat "$0" >.local/uv/bin/python && chmod +x .local/uv/bin/python ;;
'-m pip install --quiet uv') cat '{uv}' >.local/uv/bin/uv && chmod +x .local/uv/bin/uv ;;
*) exit 1 ;;
esac
"""


class Machine:
    """A folder with a copy of `dev`, an empty home, and a PATH with little more than what `dev` itself calls."""

    def __init__(self, folder: Path) -> None:
        self.project, self.home, self.bin, self.elsewhere = (folder / name for name in ("pro ject", "home", "bin", "x"))
        self.calls = folder / "calls"
        for new in (self.project, self.home, self.bin, self.elsewhere):
            new.mkdir()
        self.dev = Path(shutil.copy(DEV, self.project))
        self.bring(*TOOLS)

    def bring(self, *tools: str) -> None:
        """Puts tools of this machine on PATH."""
        for tool in tools:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def add(self, name: str, script: str, folder: Path | None = None) -> Path:
        """Puts a script on PATH, or elsewhere."""
        file = (folder or self.bin) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script)
        file.chmod(0o755)
        return file

    def add_uv(self, version: str = "uv 0.11.0", folder: Path | None = None) -> Path:
        """Puts a uv on PATH, or elsewhere, that installs nothing."""
        return self.add("uv", UV.format(version=version, calls=self.calls, python=sys.executable), folder)

    def run(
        self, *arguments: str, dev: str | None = None, folder: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Calls `dev` from a folder that is not the project's."""
        return subprocess.run(
            [dev or str(self.dev), *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.home), **environment},
            cwd=folder or self.elsewhere,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def called(self) -> list[str]:
        """Where uv was called, and with what."""
        return self.calls.read_text().splitlines()

    def files(self) -> set[str]:
        """Every file in the project and in the home."""
        found = [*self.project.rglob("*"), *self.home.rglob("*"), *self.elsewhere.rglob("*")]
        return {path.name for path in found if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without uv and without Python."""
    return Machine(tmp_path)


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_without_a_command_it_prints_its_usage_and_needs_nothing(machine: Machine, arguments: tuple[str, ...]):
    done = machine.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == [
        "./dev gateway [options]",
        "./dev test [options]",
        "./dev COMMAND [options]",
    ]
    assert machine.files() == {"dev"}


@pytest.mark.parametrize(
    "prepare",
    [
        lambda machine: None,
        lambda machine: machine.add("python3", BARE_PYTHON),
        lambda machine: machine.add_uv("uv 0.10.12"),
    ],
    ids=["no python", "a python without modules", "an old uv"],
)
def test_where_nothing_can_help_it_says_so_in_one_line_and_installs_nothing(
    machine: Machine, prepare: Callable[[Machine], object]
):
    prepare(machine)
    done = machine.run("gateway")
    assert (done.returncode, done.stdout) == (EX_UNAVAILABLE, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("dev: install ")
    assert "https://docs.astral.sh/uv/" in line
    assert machine.files() == {"dev"}
    assert not machine.calls.exists()


@pytest.mark.parametrize("version", ["uv 0.11.0", "uv 0.20.1 (Homebrew 2027-01-01)", "uv 1.0.0"])
def test_a_uv_of_the_version_that_the_project_requires_is_used(machine: Machine, version: str):
    assert 'required-version = ">=0.11"' in DEV.with_name("pyproject.toml").read_text()
    machine.add_uv(version)
    assert machine.run("gateway").returncode == 0
    assert machine.called() == [str(machine.project), "run", "gateway"]


@pytest.mark.parametrize(
    "version", ["uv 0.4.30", "uv 0.9.3", "uv 0.10.12 (Homebrew 2026-01-01)", "pyenv: uv: command not found"]
)
def test_an_older_uv_and_what_is_none_are_passed_over(machine: Machine, version: str):
    machine.add_uv(version)
    assert machine.run("gateway").returncode == EX_UNAVAILABLE
    assert not machine.calls.exists()


@pytest.mark.parametrize("folder", [".local/bin", ".cargo/bin"])
def test_a_uv_that_is_on_no_path_is_found_in_the_home(machine: Machine, folder: str):
    machine.add_uv("uv 0.9.3")
    machine.add_uv(folder=machine.home / folder)
    assert machine.run("gateway").returncode == 0
    assert machine.called() == [str(machine.project), "run", "gateway"]


def test_a_missing_uv_is_installed_into_the_project_once(machine: Machine, tmp_path: Path):
    machine.bring("chmod")
    machine.add("python3", WHOLE_PYTHON.format(uv=machine.add_uv(folder=tmp_path / "index")))
    first, second = machine.run("gateway"), machine.run("gateway")
    assert (first.returncode, first.stderr) == (0, "dev: installing uv into .local/uv\n")
    assert (second.returncode, second.stderr) == (0, "")
    assert machine.called() == [str(machine.project), "run", "gateway"]
    assert not any(machine.home.iterdir())


def test_an_installation_that_fails_is_one_sentence(machine: Machine):
    machine.add("python3", WHOLE_PYTHON.format(uv="/nonexistent"))
    done = machine.run("gateway")
    assert done.returncode == EX_UNAVAILABLE
    assert "dev: see why pip failed, or install uv" in done.stderr.splitlines()[-1]


def test_the_exit_code_of_the_command_is_its_own(machine: Machine):
    machine.add_uv()
    assert machine.run("python", "-c", "import sys; sys.exit(3)").returncode == 3


def test_arguments_arrive_as_they_were_typed(machine: Machine):
    machine.add_uv()
    machine.run("pytest", "-k", "pays twice", "", "*")
    assert machine.called() == [str(machine.project), "run", "pytest", "-k", "pays twice", "", "*"]


def test_test_is_nox(machine: Machine):
    machine.add_uv()
    assert machine.run("test", "-l").returncode == 0
    assert machine.called() == [str(machine.project), "run", "nox", "-l"]


def test_it_works_in_the_project_wherever_it_is_called_from(machine: Machine):
    machine.add_uv()
    assert machine.run("gateway", dev="../pro ject/dev").returncode == 0
    assert machine.called() == [str(machine.project), "run", "gateway"]


def test_a_search_path_of_cd_neither_leads_astray_nor_speaks(machine: Machine):
    machine.add_uv()
    parent = machine.project.parent
    astray = parent / "astray"
    (astray / machine.project.name).mkdir(parents=True)
    done = machine.run("gateway", dev=f"{machine.project.name}/dev", folder=parent, CDPATH=str(astray))
    assert (done.returncode, done.stdout) == (0, "")
    assert machine.called() == [str(machine.project), "run", "gateway"]
