"""What the deployment says of a service: its containers, its line at the edge, and who watches it."""

from pathlib import Path

import yaml

from workspace.members import members_of
from workspace.scaffold import upstreams
from workspace.scaffold.additions import Addition
from workspace.scaffold.outline import outline

COMPOSE = Path("compose.yaml")
PROMETHEUS = Path("deploy/observability/prometheus.yaml")
FILES = (COMPOSE, PROMETHEUS, upstreams.FILE)
# What a service adds to each, at the same path in this folder.
ADDITIONS = Path(__file__).parents[1] / "additions"


def add_service(root: Path, service: str) -> None:
    """Adds all of it.

    Raises:
        Refused: a file has been given another structure; it may be that others are written already.
    """
    others = {member.name for member in members_of(root).values() if member.is_service} - {service}
    for file in (COMPOSE, PROMETHEUS):
        text = (root / file).read_bytes().decode()
        (root / file).write_bytes(_addition(file, service).added(text, others=others).encode())
    upstreams.add_service(root, service)


def remove_service(root: Path, service: str) -> None:
    """Takes all of it out, whatever somebody has made of it; what is not there is no obstacle."""
    for file in (COMPOSE, PROMETHEUS):
        text = (root / file).read_bytes().decode()
        (root / file).write_bytes(_addition(file, service).removed(text).encode())
    upstreams.remove_service(root, service)


def names(root: Path) -> set[str]:
    """What compose.yaml has names for: its containers, and whatever it refers to.

    Raises:
        Refused: it is no YAML.
    """
    text = (root / COMPOSE).read_bytes().decode()
    services = (each for each in outline(text, file=COMPOSE).within if each.name == "services")
    anchors = {event.anchor for event in yaml.parse(text) if isinstance(event, yaml.NodeEvent) and event.anchor}
    return anchors | {container.name for each in services for container in each.within}


def _addition(file: Path, service: str) -> Addition:
    return Addition((ADDITIONS / file).read_text(), service, file)
