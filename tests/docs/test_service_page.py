"""The modules on docs/service.md are a service that runs, and that keeps the laws of the project."""

import asyncio
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.local import Postgres
from core.services import Service
from core.testing import problem

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "service.md"
# A paragraph that begins with the name of a module, and the block below it.
MODULE = re.compile(r"^`([\w/]+\.py)`(?:(?!```).)*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_THE_SERVICE = {"__main__.py", "app.py", "settings.py", "tables.py"}
OF_THE_SLICE = {
    f"{name}.py"
    for name in ("router", "dependencies", "schemas", "service", "repository", "models", "handlers", "jobs")
}
OF_TESTS = {"tests/conftest.py", "tests/test_conformance.py"}
SENTENCE = '"""As the page has it."""\n'
# The contracts that say what a slice may import.
LAWS = ("A slice reads top-down", "Only the edge knows HTTP", "Only repositories and models know SQL")


def modules_of_the_page() -> dict[str, str]:
    # Under a name of its own: a service that the page's name would clash with may be installed.
    text = PAGE.read_text().replace("orders", "onpage").replace("ORDERS", "ONPAGE")
    return dict(MODULE.findall(text))


def place_of(name: str) -> str:
    if name in OF_TESTS:
        return name
    return f"src/onpage/{name}" if name in OF_THE_SERVICE else f"src/onpage/baskets/{name}"


def run(folder: Path, *command: str, **environment: str) -> None:
    told = os.environ | {"PYTHONPATH": str(folder / "src")} | environment
    ran = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    packages = {f"src/onpage/{name}__init__.py": "" for name in ("", "baskets/", "migrations/")}
    modules = {place_of(name): f"\n{code}" for name, code in modules_of_the_page().items()}
    for place, code in (packages | modules).items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(SENTENCE + code)
    return folder


@pytest.fixture(scope="session")
def service(written: Path, postgres: Postgres) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(written / "src"))
        told = {"ONPAGE_ENVIRONMENT": "local", "ONPAGE_DATABASE__URL": postgres.url("postgres")}
        run(written, sys.executable, "-m", "onpage", "migrate", "new", "baskets", **told)
        yield Service("onpage", "onpage.app")


def test_no_module_is_left_out():
    assert modules_of_the_page().keys() == OF_THE_SERVICE | OF_THE_SLICE | OF_TESTS


def test_they_are_linted_and_formatted(written):
    ours = 'lint.isort.known-first-party = ["core", "onpage"]'
    options = ("--config", str(ROOT / "pyproject.toml"), "--config", ours, "--no-cache")
    modules = [place_of(name) for name in modules_of_the_page()]
    run(written, "ruff", "check", *options, *modules)
    run(written, "ruff", "format", "--check", *options, *modules)


def test_they_import_what_a_slice_may_import(written):
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    laws = [each for each in contracts if each["name"] in LAWS]
    lines = ["[importlinter]", *option("root_packages", ["core", "onpage"]), "include_external_packages = true"]
    for number, law in enumerate(laws):
        lines += [f"[importlinter:contract:{number}]", *(line for name in law for line in option(name, law[name]))]
    (written / "contracts.ini").write_text("\n".join(lines))
    run(written, "lint-imports", "--no-cache", "--config", "contracts.ini")
    assert len(laws) == len(LAWS)


def option(name: str, value: Any) -> list[str]:
    """An option of a contract, in which the page's slice takes the place of all others."""
    if name == "containers":
        value = ["onpage.baskets"]
    if name == "source_modules":
        value = [each for each in value if each.startswith("*.*")]
    return [f"{name} =", *(f"    {each}" for each in value)] if isinstance(value, list) else [f"{name} = {value}"]


async def test_the_service_serves(anywhere, signed_in, database, becomes):
    writer = signed_in("onpage:write")
    made = await anywhere.post("/v1/baskets", json={"label": "gift"}, headers={**writer, "Idempotency-Key": "key"})
    path = f"/v1/baskets/{made.json()['id']}"
    assert (made.status_code, made.headers["ETag"]) == (201, '"v1"')
    listed = await anywhere.get("/v1/baskets?created_at[gte]=2026-01-01T00:00:00Z", headers=writer)
    assert listed.json() == {"data": [made.json()], "next_cursor": None}
    assert (await anywhere.get(path, headers={**writer, "If-None-Match": '"v1"'})).status_code == 304

    async def announced() -> bool:
        async with database.transaction() as session:
            return await session.scalar(text("SELECT announced FROM baskets")) == 1

    assert await becomes(announced)


async def test_the_service_changes_what_nobody_else_has_changed(anywhere, signed_in):
    writer = signed_in("onpage:write")
    made = await anywhere.post("/v1/baskets", json={"label": "gift"}, headers={**writer, "Idempotency-Key": "key"})
    path = f"/v1/baskets/{made.json()['id']}"
    changed = await anywhere.patch(path, json={"note": "wrapped"}, headers={**writer, "If-Match": '"v1"'})
    assert changed.json() == made.json() | {"note": "wrapped", "version": 2}
    assert problem(await anywhere.delete(path, headers={**writer, "If-Match": '"v1"'})) == (412, "precondition_failed")
    assert (await anywhere.delete(path, headers={**writer, "If-Match": '"v2"'})).status_code == 204
    assert problem(await anywhere.get(path, headers=writer)) == (404, "not_found")


async def test_the_job_runs(written, service, database, database_url):
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO baskets (id, label, version, announced, created_at)"
                " VALUES (uuidv7(), 'old', 1, 0, now() - interval '31 days'), (uuidv7(), 'new', 1, 0, now())"
            )
        )
    told = {"ONPAGE_ENVIRONMENT": "local", "ONPAGE_DATABASE__URL": database_url}
    command = (sys.executable, "-m", service.name, "jobs", "run", "forget_old_baskets")
    await asyncio.to_thread(run, written, *command, **told)
    async with database.transaction() as session:
        assert (await session.scalars(text("SELECT label FROM baskets"))).all() == ["new"]
