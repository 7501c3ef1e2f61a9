"""Where the edge finds a service: its line in deploy/edge/services."""

from pathlib import Path

FILE = Path("deploy/edge/services")
LINE = "import service {service} {{${variable}_UPSTREAMS:{service}:8000}}\n"


def add_service(root: Path, service: str) -> None:
    """Adds its line, where it is a container of the service's name unless a variable says otherwise."""
    file = root / FILE
    line = LINE.format(service=service, variable=service.upper())
    file.write_text(file.read_text() + line)


def remove_service(root: Path, service: str) -> None:
    """Takes its line away, whatever else somebody has made of it; one that is not there is no obstacle."""
    file = root / FILE
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if line.split()[:3] != ["import", "service", service]))
