"""docs/operations.md says what the code says: every setting, every problem code, every probe, every metric."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.metrics import Metrics
from core.ports import Ports
from core.services import Service, installed_services
from core.settings import ChassisSettings, ServiceSettings, Variable, variables
from core.testing import running
from core.testing.databases import TemplateDatabase
from core.testing.locally import local_settings
from core.web.problems import problem_kinds, status_of
from gateway.settings import GatewaySettings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
SERVICES = [service.settings for service in installed_services()]


class EveryProcess(ChassisSettings, env_prefix="SERVICE_"):
    """What is common to all processes."""


class EveryService(ServiceSettings, env_prefix="SERVICE_"):
    """What is common to all services."""


def rows_of(heading: str) -> set[str]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `.*$", section, re.MULTILINE))


def _default(variable: Variable) -> str:
    if variable.local not in (None, variable.default):
        return f"{variable.default or 'none'}; local: {variable.local}" if not variable.required else "required"
    return "required" if variable.required else (variable.default or "none")


def _suffixes(settings: Iterable[Variable], prefix: str) -> set[str]:
    return {variable.name.removeprefix(prefix) for variable in settings}


def own(settings: type[ChassisSettings], beneath: type[ChassisSettings] | None) -> Iterator[str]:
    """The rows of a class's variables that the class beneath it does not have."""
    inherited = _suffixes(variables(beneath), "SERVICE_") if beneath else set()
    prefix = f"{settings.name.upper()}_"
    for variable in variables(settings):
        if variable.name.removeprefix(prefix) not in inherited:
            yield f"| `{variable.name}` | {variable.description} | {variable.accepts} | {_default(variable)} |"


TABLES = {
    "Settings of every process": set(own(EveryProcess, None)),
    "Settings of every service": set(own(EveryService, EveryProcess)),
    "Settings of gateway": set(own(GatewaySettings, EveryProcess)),
    **{f"Settings of {settings.name}": set(own(settings, EveryService)) for settings in SERVICES},
}


@pytest.mark.parametrize("heading", TABLES)
def test_every_setting_has_its_row(heading: str) -> None:
    assert rows_of(heading) == TABLES[heading]


def test_every_problem_code_has_its_row() -> None:
    import gateway.developer.access  # noqa: F401, PLC0415 - it defines a refusal

    for service in installed_services():
        assert service.app
    kinds = {kind.code: kind for kind in problem_kinds() if _is_ours(kind.__module__)}
    assert rows_of("Problem codes") == {
        f"| `{code}` | {status_of(kind).value} | {kind.title()} |" for code, kind in kinds.items()
    }


def _is_ours(module: str) -> bool:
    # The conformance suite brings a refusal of its own.
    return module.split(".", maxsplit=1)[0] in _packages() and not module.startswith("core.testing")


def _packages() -> set[str]:
    return {"core", "gateway", *(service.name for service in installed_services())}


def test_every_probe_has_its_row() -> None:
    assert {row.split("`")[1] for row in rows_of("Probes")} == {"/livez", "/readyz", "/startupz"}


@pytest.mark.parametrize("service", installed_services(), ids=lambda service: service.name)
async def test_every_metric_has_its_row(
    service: Service, templates: Callable[[Service | None], TemplateDatabase], tmp_path: Path
) -> None:
    template = await asyncio.to_thread(templates, service)
    database = await template.copy()
    settings = local_settings(service, database_url=template.postgres.url(database), folder=tmp_path)
    app: Any = service.create_app(settings, Ports())
    async with running(app):
        assert rows_of("Metrics") == set(_metric_rows(app.metrics))
    await template.drop(database)


def _metric_rows(metrics: Metrics) -> Iterator[str]:
    for family in metrics.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in family._labelnames)  # type: ignore[attr-defined] - of all but their common base
        cells = [f"`{name}`", family.type, labels, family.documentation]
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")
