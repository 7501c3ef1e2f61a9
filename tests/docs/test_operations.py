"""docs/operations.md says what every service has, and the README.md of one what it has of its own: as the code does."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from core.cli.applications import described_whole
from core.housekeeping import housekeeping
from core.jobs import Job
from core.metrics import Metrics
from core.ports import Ports
from core.server.serving import EXIT_OK, EXIT_STARTUP, EXIT_UNCLEAN
from core.services import Service, installed_services
from core.settings import EX_CONFIG, ChassisSettings, ServiceSettings, Variable, variables
from core.testing import running
from core.testing.databases import TemplateDatabase
from core.testing.locally import local_settings
from core.web.problems import problem_kinds, status_of
from gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
SERVICES = installed_services()
NAMES = ["gateway", *(service.name for service in SERVICES)]

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


class EveryProcess(ChassisSettings, env_prefix="SERVICE_"):
    """What is common to all processes."""


class EveryService(ServiceSettings, env_prefix="SERVICE_"):
    """What is common to all services."""


def page_of(name: str) -> Path:
    return ROOT / "services" / name / "README.md"


def rows(page: Path, heading: str) -> list[str]:
    """The rows of the table under a heading, without its head; none where there is no such heading."""
    section = f"{page.read_text()}\n## ".partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `.*$", section, re.MULTILINE)


def hold(page: Path, told: list[str], coded: list[str]) -> None:
    """Fails with the rows that the page lacks, and those that it has too many."""
    lacking, surplus = (Counter(coded) - Counter(told)).elements(), (Counter(told) - Counter(coded)).elements()
    found = [*(f"+ {row}" for row in lacking), *(f"- {row}" for row in surplus)]
    assert not found, "\n".join([f"{page.relative_to(ROOT)}:", *found])


def _default(variable: Variable) -> str:
    if variable.local not in (None, variable.default):
        return f"{variable.default or 'none'}; local: {variable.local}" if not variable.required else "required"
    return "required" if variable.required else (variable.default or "none")


def _suffixes(settings: Iterable[Variable], prefix: str) -> set[str]:
    return {variable.name.removeprefix(prefix) for variable in settings}


def own(settings: type[ChassisSettings], beneath: type[ChassisSettings] | None) -> list[str]:
    """The rows of a class's variables that the class beneath it does not have."""
    inherited = _suffixes(variables(beneath), "SERVICE_") if beneath else set()
    prefix = f"{settings.name.upper()}_"
    return [
        f"| `{variable.name}` | {variable.description} | {variable.accepts} | {_default(variable)} |"
        for variable in variables(settings)
        if variable.name.removeprefix(prefix) not in inherited
    ]


SETTINGS = {
    "every process": (OPERATIONS, "Settings of every process", own(EveryProcess, None)),
    "every service": (OPERATIONS, "Settings of every service", own(EveryService, EveryProcess)),
    "gateway": (page_of("gateway"), "Settings", own(GatewaySettings, EveryProcess)),
    **{each.name: (page_of(each.name), "Settings", own(each.settings, EveryService)) for each in SERVICES},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_with_what_its_distribution_is(name):
    assert page_of(name).read_text().startswith(f"# {name}\n\n{metadata(name)['Summary']}\n\n")


@pytest.mark.parametrize("whose", SETTINGS)
def test_every_setting_has_its_row(whose):
    page, heading, settings = SETTINGS[whose]
    hold(page, rows(page, heading), settings)


@pytest.mark.parametrize("package", ["core", *NAMES])
def test_every_problem_code_has_its_row(package):
    import gateway.developer.access  # noqa: F401, PLC0415 - it defines a refusal

    page = OPERATIONS if package == "core" else page_of(package)
    kinds = {kind.code: kind for kind in problem_kinds() if _is_of(package, kind.__module__)}
    codes = [f"| `{code}` | {status_of(kind).value} | {kind.title()} |" for code, kind in kinds.items()]
    hold(page, rows(page, "Problem codes"), codes)


def _is_of(package: str, module: str) -> bool:
    # The conformance suite brings a refusal of its own.
    return f"{module}.".startswith(f"{package}.") and not module.startswith("core.testing")


@each_service
def test_every_operation_has_its_row_with_who_may_call_it(service):
    page = page_of(service.name)
    document = json.loads(page.with_name("openapi.json").read_text())
    told = dict(re.findall(r"^\| `([A-Z]+ /\S+)` \| (.+?) \|", "\n".join(rows(page, "Operations")), re.MULTILINE))
    coded = {
        f"{method.upper()} {path}": _access(operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("operationId")
    }
    assert told.keys() == coded.keys()
    # Whether a machine is let in where a user is, only the walk of tests/system sees.
    users_too = re.compile(r"a caller|a user, or `\S+`")
    assert {name: "a user" if users_too.fullmatch(who) else who for name, who in told.items()} == coded


def _access(operation: dict[str, Any]) -> str:
    scopes = [each["access_token"] for each in operation.get("security", ()) if "access_token" in each]
    if not scopes:
        return "anybody"
    return " and ".join(f"`{scope}`" for scope in scopes[0]) or "a user"


def test_every_exit_code_has_its_row():
    codes = sorted({EXIT_OK, EXIT_UNCLEAN, EXIT_STARTUP, EX_CONFIG})
    assert [int(row.split("`")[1]) for row in rows(OPERATIONS, "Exit codes")] == codes


def test_every_probe_has_its_row():
    assert [row.split("`")[1] for row in rows(OPERATIONS, "Probes")] == ["/livez", "/readyz", "/startupz"]


@each_service
def test_every_periodic_job_has_its_row(service):
    page, of_all = page_of(service.name), declared_rows(OPERATIONS, "Periodic jobs of every service")
    hold(OPERATIONS, of_all, _jobs_declared(housekeeping.declared))
    hold(page, of_all + declared_rows(page, "Periodic jobs"), _jobs_declared(described_whole(service).jobs))


def _jobs_declared(jobs: Iterable[Job]) -> list[str]:
    return [f"| `{job.name}` | {job.interval}" for job in jobs]


@each_service
def test_every_event_has_its_row(service):
    page, catalogue = page_of(service.name), described_whole(service).catalogue
    announced = [
        f"| `{type_}` | {', '.join(f'`{field}`' for field in model.model_fields)}"
        for type_, model in catalogue.announced.items()
    ]
    hold(page, declared_rows(page, "Events it announces"), announced)
    handled = [f"| `{each.type}` | {each.source or 'itself'}" for each in catalogue.subscriptions]
    hold(page, declared_rows(page, "Events it handles"), handled)
    hold(page, declared_rows(page, "What it tells again"), [f"| `{each.name}`" for each in catalogue.replays])


def declared_rows(page: Path, heading: str) -> list[str]:
    """The rows without their last cell: what a job does, or when an event comes, is nowhere in the code."""
    return [row.rpartition(" | ")[0] for row in rows(page, heading)]


@each_service
async def test_every_metric_has_its_row(
    service: Service, templates: Callable[[Service | None], TemplateDatabase], tmp_path: Path
) -> None:
    template = await asyncio.to_thread(templates, service)
    database = await template.copy()
    settings = local_settings(service, database_url=template.postgres.url(database), folder=tmp_path)
    app: Any = service.create_app(settings, Ports())
    async with running(app):
        metrics = list(_metric_rows(app.metrics))
    await template.drop(database)
    page = page_of(service.name)
    hold(page, rows(OPERATIONS, "Metrics") + rows(page, "Metrics"), metrics)


def _metric_rows(metrics: Metrics) -> Iterator[str]:
    for family in metrics.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in family._labelnames)  # type: ignore[attr-defined] - of all but their common base
        cells = [f"`{name}`", family.type, labels, family.documentation]
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")
