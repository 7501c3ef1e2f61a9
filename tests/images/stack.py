"""compose.yaml, up and running under a name of its own."""

import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import COMPOSE, REGISTRY, ROOT, docker, run
from topologies import ADMIN_EMAIL, ADMIN_PASSWORD, Product

from core.mail import read_folder
from core.testing.network import free_port

HERE = Path(__file__).parent
FILES = ("compose.yaml", str(HERE / "compose.yaml"))
STAND_INS = HERE / "stand_ins"
# By what stands in for it, the image that compose.yaml asks for.
THIRD_PARTY = {
    "postgres": "postgres:18",
    "nats": "nats:2.12-alpine",
    "caddy": "caddy:2.11-alpine",
    "collector": "otel/opentelemetry-collector-contrib:0.152.1",
    "prometheus": "prom/prometheus:v3.13.2",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """The product as it is deployed."""

    project: str
    files: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    root: Path = ROOT

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command of Compose on this project."""
        files = [f"--file={self.root / file}" for file in self.files]
        command = [*COMPOSE, f"--project-name={self.project}", f"--project-directory={self.root}", *files, *arguments]
        return run(command, environment=self.environment, check=check)

    def up(self) -> None:
        """Starts what does not run, and waits until all of it is well."""
        self.compose("up", "--wait", "--no-build", "--pull=never")

    def state(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container of a service: status, exit code, health, when it started and ended."""
        container = self.compose("ps", "--all", "--quiet", service).stdout.strip()
        return json.loads(docker("container", "inspect", "--format={{json .State}}", container).stdout)

    def logs(self, *services: str) -> str:
        """What they have said."""
        return self.compose("logs", "--no-color", "--tail=300", *services, check=False).stdout

    def lines(self, service: str) -> list[dict[str, Any]]:
        """The log of a service, which is JSON."""
        said = self.compose("logs", "--no-color", "--no-log-prefix", service).stdout
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    @contextmanager
    def told_on_failure(self) -> Iterator[None]:
        """Adds the logs of all containers to what fails inside the block."""
        try:
            yield
        except BaseException as failed:
            failed.add_note(self.logs())
            raise


@dataclass(frozen=True)
class Composed(Product):
    """The product behind its edge; mail is in the volume of users."""

    stack: Stack | None = None

    def mail(self, to: str) -> list[dict[str, Any]]:
        """The messages to an address, newest first."""
        assert self.stack
        with tempfile.TemporaryDirectory() as folder:
            self.stack.compose("cp", "users:/var/mail/.", folder)
            return [
                {"to": each.message.to, "subject": each.message.subject, "token": each.message.token}
                for each in read_folder(Path(folder), to=to)
            ]


@contextmanager
def composed(
    project: str, *, stand_ins: bool, environment: Mapping[str, str] | None = None, root: Path = ROOT
) -> Iterator[Stack]:
    """Brings the stack up, by that one command, on a free port; takes it down with all that it has kept."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    files = (*FILES, str(STAND_INS / "compose.yaml")) if stand_ins else FILES
    told = {"REGISTRY": REGISTRY, "EDGE_PORT": str(port), "EDGE_PUBLIC_URL": url, "EDGE_SUBNET": free_subnet()}
    stack = Stack(project, files, {**told, **(environment or {})}, url, root)
    try:
        with stack.told_on_failure():
            stack.up()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout=1")


def product_of(stack: Stack) -> Composed:
    """The running stack as the journeys know the product, with its admin."""
    password = f"CREATE_ADMIN_PASSWORD={ADMIN_PASSWORD}"
    stack.compose("exec", "-T", f"--env={password}", "users", "users", "create-admin", ADMIN_EMAIL)
    users, billing = f"{stack.url}/users", f"{stack.url}/billing"
    return Composed("composed", users, billing, data_dir=ROOT, databases={}, operator={}, stack=stack)


def free_subnet() -> str:
    """Addresses for a network that no other has, most likely."""
    return f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}.0/24"


def absent() -> list[str]:
    """The images of compose.yaml that are neither on this machine nor can be had."""
    return [
        image
        for image in THIRD_PARTY.values()
        if docker("image", "inspect", image, check=False).returncode
        and docker("pull", "--quiet", image, check=False).returncode
    ]


def build_stand_ins() -> None:
    """Builds what stands in for the images of compose.yaml."""
    for target in THIRD_PARTY:
        docker("build", "--quiet", f"--target={target}", f"--tag=stand-in-{target}", str(STAND_INS))
