"""An import that a member does not declare is found wherever it hides, and a wheel that lacks something, too."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspace.isolation.building import UV
from workspace.isolation.declarations import breaches_of_declarations, breaches_of_member
from workspace.isolation.imports import read_code
from workspace.isolation.running import Programs, breaches_of_programs
from workspace.isolation.wheels import breaches_of_wheel
from workspace.members import members_of

ROOT = Path(__file__).parents[2]
BILLING, CORE, USERS = Path("services/billing"), Path("packages/core"), Path("services/users")
JUNK = shutil.ignore_patterns("__pycache__", ".local", ".hypothesis")


@pytest.fixture
def copy(tmp_path):
    """Every member's pyproject.toml, all of users, and of billing what uses its dependencies."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for member in members_of(ROOT).values():
        folder = tmp_path / member.folder.relative_to(ROOT)
        folder.mkdir(parents=True)
        shutil.copy(member.folder / "pyproject.toml", folder)
    shutil.copytree(ROOT / USERS, tmp_path / USERS, dirs_exist_ok=True, ignore=JUNK)
    for file in ("openapi.json", "src/billing/app.py", "src/billing/money.py", "tests/books.py", "tests/conftest.py"):
        (tmp_path / BILLING / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / BILLING / file, tmp_path / BILLING / file)
    return tmp_path


def breaches(copy: Path, name: str) -> list[str]:
    members = members_of(copy)
    return [breach.replace(f"{copy}/", "") for breach in breaches_of_member(members[name], members)]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("name", ["billing", "users"])
def test_an_untouched_copy_declares_all_that_it_imports(copy, name):
    assert breaches(copy, name) == []


@pytest.mark.parametrize(
    ("planted", "line", "package", "missing"),
    [
        ("import users", 1, "users", "users"),
        ("import gateway.command", 1, "gateway", "gateway"),
        ("from users.accounts.models import User, Role", 1, "users", "users"),
        ("def pay():\n    import users.app", 2, "users", "users"),
        ("if TYPE_CHECKING:\n    from users.app import Settings", 2, "users", "users"),
        ('users = importlib.import_module("users.app")', 1, "users", "users"),
        ('users = import_module("users.app")', 1, "users", "users"),
        ("import argon2", 1, "argon2", "argon2-cffi"),
        ("def pay():\n    from argon2.exceptions import VerifyMismatchError", 2, "argon2", "argon2-cffi"),
        ("if TYPE_CHECKING:\n    import argon2", 2, "argon2", "argon2-cffi"),
        ("try:\n    import tomlkit\nexcept ImportError:\n    tomlkit = None", 2, "tomlkit", "tomlkit"),
        ("import not_installed", 1, "not_installed", "not-installed"),
        ("def pay():\n    import pytest", 2, "pytest", "pytest"),
        ("def pay():\n    import valkey", 2, "valkey", "valkey"),
        ("def pay():\n    from core.testing import Wire", 2, "core", "core[testing]"),
        ("from core import testing", 1, "core", "core[testing]"),
    ],
)
def test_an_undeclared_import_is_found_in_the_code(copy, planted, line, package, missing):
    file = BILLING / "src/billing/planted.py"
    (copy / file).write_text(planted)
    assert breaches(copy, "billing") == [f"{file}:{line}: billing imports {package} and does not declare {missing}"]


@pytest.mark.parametrize(
    ("planted", "package", "missing"),
    [
        ("import users", "users", "users"),
        ("def test_it():\n    from users.app import Settings", "users", "users"),
        ("import argon2", "argon2", "argon2-cffi"),
        ('argon2 = pytest.importorskip("argon2")', "argon2", "argon2-cffi"),
        ("import tomlkit", "tomlkit", "tomlkit"),
        ("import example.app", "example", "example"),
    ],
)
def test_an_undeclared_import_is_found_in_the_tests(copy, planted, package, missing):
    file = BILLING / "tests/test_planted.py"
    (copy / file).write_text(planted)
    line = planted.count("\n") + 1
    assert breaches(copy, "billing") == [f"{file}:{line}: billing imports {package} and does not declare {missing}"]


@pytest.mark.parametrize(
    ("room", "planted"),
    [
        ("src/billing", "import json"),
        ("src/billing", "import starlette, sqlalchemy.orm, typing_extensions, billing.money"),
        ("src/billing", "def dev():\n    from core.local import Postgres\n    import watchfiles"),
        ("src/billing", "module = import_module(name)"),
        ("tests", "import pytest, hypothesis, valkey, core.testing, billing.app"),
        ("tests", "import planted, conftest"),
    ],
)
def test_a_declared_import_is_not(copy, room, planted):
    (copy / BILLING / room / "planted.py").write_text(planted)
    assert breaches(copy, "billing") == []


@pytest.mark.parametrize("relative", ["from . import a", "from .a import b", 'import_module(".a", "billing")'])
def test_a_relative_import_stays_within_its_package(tmp_path, relative):
    (tmp_path / "module.py").write_text(f"import json\n{relative}")
    assert [found.name for found in read_code(tmp_path).imports] == ["json"]


def test_a_package_beside_the_tests_is_theirs_and_its_modules_are_not(copy):
    (copy / BILLING / "tests/shop").mkdir()
    for module in ("__init__", "argon2"):
        (copy / BILLING / "tests/shop" / f"{module}.py").touch()
    (copy / BILLING / "tests/test_planted.py").write_text("import shop.argon2\nimport argon2")
    (breach,) = breaches(copy, "billing")
    assert breach.endswith("test_planted.py:2: billing imports argon2 and does not declare argon2-cffi")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('dependencies = ["core", ', 'dependencies = ["core", "users", '),
        ('local = ["core[local]"]', 'local = ["core[local]", "users"]'),
        ('test = ["core[testing]"]', 'test = ["core[testing]", "users"]'),
        ('test = ["core[testing]"]', 'test = ["core[testing]", { include-group = "more" }]\nmore = ["users"]'),
    ],
)
def test_a_sibling_cannot_be_declared(copy, old, new):
    edit(copy / BILLING / "pyproject.toml", old, new)
    assert breaches(copy, "billing")[0] == (
        "services/billing/pyproject.toml: billing declares users, and nothing stands on a service"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('dependencies = ["core", ', 'dependencies = ["Argon2_CFFI", "core", '),
        ('local = ["core[local]"]', 'local = ["argon2-cffi", "core[local]"]'),
        ('test = ["core[testing]"]', 'test = ["argon2-cffi>=25", "core[testing]"]'),
    ],
)
def test_what_is_declared_and_not_used_is_found(copy, old, new):
    edit(copy / BILLING / "pyproject.toml", old, new)
    assert breaches(copy, "billing") == [
        "services/billing/pyproject.toml: billing declares argon2-cffi and does not use it"
    ]


def test_what_others_use_may_be_declared(copy):
    edit(copy / BILLING / "pyproject.toml", 'dependencies = ["core", ', 'dependencies = ["core", "argon2-cffi", ')
    edit(
        copy / BILLING / "pyproject.toml", "[tool.workspace]\n", '[tool.workspace]\nused-by-others = ["argon2-cffi"]\n'
    )
    assert breaches(copy, "billing") == []


def test_what_is_only_named_is_used(copy):
    edit(copy / BILLING / "pyproject.toml", 'dependencies = ["core", ', 'dependencies = ["core", "uvicorn-worker", ')
    (copy / BILLING / "src/billing/planted.py").write_text('WORKER = "uvicorn-worker"')
    assert breaches(copy, "billing") == []


def test_core_must_declare_what_it_imports_and_stands_on_no_service(copy):
    (copy / CORE / "src/core").mkdir(parents=True)
    (copy / CORE / "src/core/planted.py").write_text("def f():\n    import argon2\n    import users\n")
    found = breaches_of_declarations(copy)
    assert "packages/core/pyproject.toml: core declares core and does not use it" not in found
    assert [breach for breach in found if "planted" in breach] == [
        "packages/core/src/core/planted.py:2: core imports argon2 and does not declare argon2-cffi",
        "packages/core/src/core/planted.py:3: core imports users and does not declare users",
    ]


@pytest.fixture
def wheel(copy):
    """The wheel of the copy's users."""
    return build_users(copy)


def build_users(copy: Path) -> Path:
    command = [UV, "build", "--quiet", "--wheel", f"--out-dir={copy}/wheels", str(copy / USERS)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (copy / "wheels").glob("users-*.whl")
    return wheel


def of_wheel(copy: Path, wheel: Path) -> list[str]:
    return [breach.removeprefix(f"{wheel.name} ") for breach in breaches_of_wheel(wheel, members_of(copy)["users"])]


def test_a_whole_wheel_has_no_breach(copy, wheel):
    (copy / USERS / "src/users/__pycache__").mkdir()
    (copy / USERS / "src/users/__pycache__/app.cpython-311.pyc").touch()
    assert of_wheel(copy, wheel) == []


@pytest.mark.parametrize(
    "file", ["users/passwords/common_passwords.txt", "users/py.typed", "users/migrations/0002_jobs.py"]
)
def test_a_wheel_that_lacks_a_file_is_found(copy, file):
    with (copy / USERS / "pyproject.toml").open("a") as project:
        project.write(f'\n[tool.uv.build-backend]\nwheel-exclude = ["/src/{file}", "{file}"]\n')
    assert of_wheel(copy, build_users(copy)) == [f"lacks {file}"]


def test_a_wheel_that_has_more_than_the_source_is_found(copy, wheel):
    (copy / USERS / "src/users/py.typed").unlink()
    assert of_wheel(copy, wheel) == ["has users/py.typed, which is no part of users"]


def test_a_wheel_that_declares_something_else_is_found(copy, wheel):
    edit(copy / USERS / "pyproject.toml", '">=3.11"', '">=3.12"')
    edit(copy / USERS / "pyproject.toml", '"argon2-cffi>=25.1"', '"argon2-cffi>=26"')
    assert of_wheel(copy, wheel) == ["requires Python >=3.11, not >=3.12", "does not require argon2-cffi>=26"]


@pytest.fixture
def program(copy, tmp_path):
    """Puts a script in place of the program `billing`; gives what is found wrong with it."""

    def found(script: str) -> list[str]:
        folder = tmp_path / "programs"
        folder.mkdir()
        (folder / "python").symlink_to(shutil.which("true"))
        (folder / "billing").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "billing").chmod(0o755)
        return list(breaches_of_programs(Programs(folder, tmp_path), members_of(copy)["billing"]))

    return found


@pytest.mark.parametrize("command", ["--help", "openapi", "migrate"])
def test_a_program_that_fails_is_found(program, command):
    (*_, breach) = program(f'if [ "$1" = {command} ]; then echo no; exit 3; fi')
    assert breach == f"billing {command} ended with 3:\nno\n"


def test_another_document_is_found(program, copy):
    assert f"billing openapi prints something else than {copy}/services/billing/openapi.json" in program("exit 0")


def test_a_service_that_does_not_answer_is_found(program):
    *_, breach = program('if [ "$1" = serve ]; then echo "$BILLING_ENVIRONMENT"; fi')
    assert re.fullmatch(r"billing serve --host=127.0.0.1 --port=\d+ ended with 0:\nlocal\n", breach)


def test_a_service_that_does_not_stop_as_asked_is_found(program):
    server = "python3 -m http.server --bind 127.0.0.1 ${3#--port=}"
    *_, breach = program(f'if [ "$1" = serve ]; then touch livez; exec {server}; fi')
    assert "ended with -15" in breach


def test_a_package_that_does_not_import_is_found(copy, tmp_path):
    (tmp_path / "users.py").write_text("import not_installed")
    programs = Programs(Path(sys.executable).parent, tmp_path)
    (breach,) = breaches_of_programs(programs, members_of(copy)["users"])
    assert "No module named 'not_installed'" in breach
