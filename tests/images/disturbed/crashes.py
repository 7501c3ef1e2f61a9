"""Containers that die as a crash ends them, and come back as their restart policy says."""

from engine import docker
from stack import Stack


def containers(stack: Stack, service: str) -> list[str]:
    """The ids of the containers of a service."""
    return stack.compose("ps", "--quiet", service).stdout.split()


def kill(container: str) -> None:
    """Kills its first process from outside: what `docker kill` ends counts as stopped, and stays so."""
    pid, image = docker("container", "inspect", "--format={{.State.Pid}} {{.Image}}", container).stdout.split()
    outside = ("--pid=host", "--network=none", "--user=0", "--entrypoint=sh")
    docker("run", "--rm", *outside, image, "-c", f"kill -KILL {pid}")


def has_come_back(container: str) -> bool:
    """Whether it was started again, and is well."""
    seen = docker("container", "inspect", "--format={{.RestartCount}} {{.State.Health.Status}}", container)
    count, health = seen.stdout.split()
    return int(count) > 0 and health == "healthy"
