"""The engine that images are built and run with: Docker, by its own commands."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = "deploy/Dockerfile"
PATIENCE_S = 600
# The names of what a test run makes, and removes, and no other run has.
REGISTRY = f"tested-{os.getpid()}"
# A machine may have more than one of each.
DOCKER = os.environ.get("DOCKER_CLI", "docker")
COMPOSE = (os.environ["DOCKER_COMPOSE"],) if "DOCKER_COMPOSE" in os.environ else (DOCKER, "compose")
# What makes an image a service's.
ENTRY_POINT = '[project.entry-points."core.services"]'
SERVICES = sorted(
    manifest.parent.name for manifest in ROOT.glob("services/*/pyproject.toml") if ENTRY_POINT in manifest.read_text()
)


def docker(
    *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command of the engine; with `check`, one that fails fails the test by what it said."""
    return run([DOCKER, *arguments], check=check, environment=environment)


def run(
    command: Sequence[str], *, check: bool = True, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command in the workspace to its end."""
    told = {**os.environ, "DOCKER_BUILDKIT": "1", **(environment or {})}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}"
    return done


def there_is_an_engine() -> bool:
    """Whether one answers."""
    try:
        return docker("version", check=False).returncode == 0
    except FileNotFoundError:
        return False


def build(service: str, *, tag: str, context: Path = ROOT, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Builds the image of a service."""
    told = {"SERVICE": service, "VERSION": "1.2.3", "REVISION": "0" * 40, "SOURCE": "https://git.example/platform"}
    arguments = [f"--build-arg={name}={value}" for name, value in told.items()]
    return docker(
        *("build", "--progress=plain", f"--file={context / RECIPE}", f"--tag={tag}", *arguments, str(context)),
        check=check,
    )


def tag_of(service: str) -> str:
    """The name of the image of a service, as compose.yaml makes it."""
    return f"{REGISTRY}/{service}:latest"


def within(
    image: str, *command: str, options: Sequence[str] = (), check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a new container of the image, in place of the service."""
    program, *arguments = command
    return docker("run", "--rm", f"--entrypoint={program}", *options, image, *arguments, check=check)
