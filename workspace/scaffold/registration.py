"""What the root's pyproject.toml says of a service: dependency, source and its lines in the law of imports."""

from pathlib import Path
from typing import Any

import tomlkit

from workspace.members import members_of
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names

TOGETHER = "Services stand on core and never on each other"
SLICES = "A slice reads top-down"
CYCLES = "No cycles anywhere"
ORDER = "{} reads top-down, its slices in this order"
SOURCE = "{ workspace = true }"
CONTRACT = """\
name = "{order}"
type = "layers"
containers = ["{service}"]
layers = [
  "__main__",
  "app",
  "migrations",
  "{slice}",
  "tables | settings",
]
exhaustive = true

"""


def add_service(file: Path, names: Names) -> None:
    """Registers a service with its first slice."""
    document = tomlkit.parse(file.read_text())
    parts: Any = document
    parts["project"]["dependencies"].append(names.service)
    parts["tool"]["uv"]["sources"][names.service] = tomlkit.value(SOURCE)
    law = parts["tool"]["importlinter"]
    law["root_packages"].append(names.service)
    layers = _contract(law, TOGETHER)["layers"]
    layers[0] = " | ".join([*str(layers[0]).split(" | "), names.service])
    _contract(law, CYCLES)["ancestors"].append(names.service)
    _contract(law, SLICES)["containers"].append(f"{names.service}.{names.slice}")
    contracts = law["contracts"]
    last = max(n for n, each in enumerate(contracts) if each["name"].endswith(ORDER.format("")))
    contracts.insert(last + 1, _order(names))
    file.write_text(tomlkit.dumps(document))


def add_slice(file: Path, names: Names) -> None:
    """Registers a slice, which may use all others of its service and is used by none."""
    document = tomlkit.parse(file.read_text())
    law: Any = document
    law = law["tool"]["importlinter"]
    layers = _contract(law, ORDER.format(names.service))["layers"]
    layers.insert(layers.index("migrations") + 1, names.slice)
    _contract(law, SLICES)["containers"].append(f"{names.service}.{names.slice}")
    file.write_text(tomlkit.dumps(document))


def remove_service(file: Path, service: str) -> None:
    """Takes back what registers a service; a line that is not there is no obstacle."""
    document = tomlkit.parse(file.read_text())
    parts: Any = document
    _drop(parts["project"]["dependencies"], service)
    parts["tool"]["uv"]["sources"].pop(service, None)
    law = parts["tool"]["importlinter"]
    _drop(law["root_packages"], service)
    layers = _contract(law, TOGETHER)["layers"]
    layers[0] = " | ".join(each for each in str(layers[0]).split(" | ") if each != service)
    _drop(_contract(law, CYCLES)["ancestors"], service)
    containers = _contract(law, SLICES)["containers"]
    for container in [each for each in containers if each.startswith(f"{service}.")]:
        containers.remove(container)
    contracts = law["contracts"]
    for number in reversed([n for n, each in enumerate(contracts) if each["name"] == ORDER.format(service)]):
        del contracts[number]
    file.write_text(tomlkit.dumps(document))


def folder_of(root: Path, service: str) -> Path:
    """The folder of a service that is there.

    Raises:
        Refused: there is none of that name.
    """
    services = {member.name: member.folder for member in members_of(root).values() if member.is_service}
    if service not in services:
        raise Refused(f"{service!r} is no service here; these are: {', '.join(services)}.")
    return services[service]


def _contract(law: Any, name: str) -> Any:
    return next(each for each in law["contracts"] if each["name"] == name)


def _order(names: Names) -> Any:
    order = ORDER.format(names.service)
    text = CONTRACT.format(order=order, service=names.service, slice=names.slice)
    (contract,) = tomlkit.parse(f"[[contract]]\n{text}")["contract"]
    return contract


def _drop(array: Any, name: str) -> None:
    if name in array:
        array.remove(name)
