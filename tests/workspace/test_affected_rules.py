"""Whose tests a change touches: each kind of path, each table of pyproject.toml, each kind of locked package."""

import dataclasses
from typing import Any

import pytest
from small_workspaces import DEPENDENCIES, SMALL, Package, Packages, lock, locked, project, written
from workspace.affected.decision import Reasons, Sources, touched

MEMBERS = {"billing", "core", "users"}
SUITES = {"system", "workspace"}
EVERYTHING = MEMBERS | SUITES
NOW = Sources(project(), lock(SMALL))


def units(*paths: str, before: Sources = NOW, after: Sources = NOW, members: set[str] = MEMBERS) -> set[str]:
    return {*reasons(*paths, before=before, after=after, members=members)}


def reasons(*paths: str, before: Sources = NOW, after: Sources = NOW, members: set[str] = MEMBERS) -> Reasons:
    return touched(paths, before=before, after=after, members=members)


def relocked(**packages: Package | None) -> Sources:
    """The workspace with some packages otherwise, or gone."""
    changed: Packages = {name: package for name, package in {**SMALL, **packages}.items() if package}
    return Sources(project(), lock(changed))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("services/billing/src/billing/app.py", {"billing", *SUITES}),
        ("services/billing/pyproject.toml", {"billing", *SUITES}),
        ("services/billing/openapi.json", {"billing", *SUITES}),
        ("services/billing/src/billing/terms.md", {"billing", *SUITES}),
        ("services/billing/tests/test_money.py", {"billing", "workspace"}),
        ("services/billing/tests/letter.md", {"billing", "workspace"}),
        ("services/billing/README.md", set()),
        ("services/billing", {"billing", *SUITES}),
        ("packages/core/src/core/ids.py", EVERYTHING),
        ("packages/core/tests/test_ids.py", {"core", "workspace"}),
        ("tests/system/test_journey.py", {"system"}),
        ("tests/edge/test_limits.py", {"system"}),
        ("tests/images/test_stack.py", {"system"}),
        (".dockerignore", {"system"}),
        ("compose.yaml", SUITES),
        ("deploy/Dockerfile", SUITES),
        ("deploy/edge/services", SUITES),
        ("deploy/edge/Caddyfile", EVERYTHING),
        ("tests/workspace/test_affected_rules.py", {"workspace"}),
        ("tests/tidy/test_tidy.py", {"workspace"}),
        ("tests/another/test_suite.py", EVERYTHING),
        ("workspace/template/README.md", {"workspace"}),
        ("workspace/isolation/building.py", EVERYTHING),
        ("workspace/members.py", EVERYTHING),
        ("docs/operations.md", set()),
        ("docs/decisions/picture.svg", set()),
        ("docs/first-service.md", {"workspace"}),
        ("docs/events.md", {"workspace"}),
        ("README.md", set()),
        ("bench/load.py", set()),
        ("dev", EVERYTHING),
        ("noxfile.py", EVERYTHING),
        (".github/workflows/ci.yml", EVERYTHING),
        ("services/billing2/src/app.py", EVERYTHING),
        ("services", EVERYTHING),
        ("conftest.py", EVERYTHING),
        ("a file\nthat nobody knows", EVERYTHING),
        (".gitignore", {"workspace"}),
        ("uv.lock", {"workspace"}),
        ("pyproject.toml", {"workspace"}),
    ],
)
def test_a_path_touches_those_whose_tests_read_it(path: str, expected: set[str]):
    assert units(path) == expected


def test_nothing_touches_nothing():
    assert reasons() == {}


def test_each_reason_is_said_with_what_it_is():
    assert reasons("packages/core/src/core/ids.py", "packages/core/src/core/mail.py", "services/users/tests/a.py") == {
        "billing": {"uses core": ["packages/core/src/core/ids.py", "packages/core/src/core/mail.py"]},
        "core": {"its own files": ["packages/core/src/core/ids.py", "packages/core/src/core/mail.py"]},
        "system": {"starts core": ["packages/core/src/core/ids.py", "packages/core/src/core/mail.py"]},
        "users": {
            "uses core": ["packages/core/src/core/ids.py", "packages/core/src/core/mail.py"],
            "its own files": ["services/users/tests/a.py"],
        },
        "workspace": {
            "copies core": ["packages/core/src/core/ids.py", "packages/core/src/core/mail.py"],
            "copies users": ["services/users/tests/a.py"],
        },
    }


def test_who_uses_a_member_before_the_change_or_after_it_is_touched():
    before = relocked(users=Package({DEPENDENCIES: (("core", ()), ("billing", ()))}, folder="services/users"))
    path = "services/billing/src/billing/app.py"
    for found in (reasons(path, before=before), reasons(path, after=before)):
        assert found["users"]["uses billing"] == [path]


def test_a_member_that_is_gone_touches_who_used_it_and_is_no_unit_itself():
    before = relocked(
        old=Package(folder="services/old"),
        users=Package(
            {DEPENDENCIES: (("core", ()),), "optional-dependencies.x": (("old", ()),)}, folder="services/users"
        ),
    )
    found = reasons("services/old/src/old/app.py", before=before)
    assert found["users"] == {
        "locked otherwise": ["core", "old", "pytest", "users"],
        "uses old": ["services/old/src/old/app.py"],
    }
    assert found.keys() == {"users", *SUITES}


def test_a_new_member_is_touched():
    after = relocked(orders=Package({DEPENDENCIES: (("core", ()),)}, folder="services/orders"))
    assert reasons(after=after, members={*MEMBERS, "orders"})["orders"].keys() == {"locked otherwise"}


def test_a_member_that_the_lock_does_not_know_touches_everything():
    found = reasons(members={*MEMBERS, "orders"})
    assert found == {unit: {"not in uv.lock": ["orders"]} for unit in sorted({*EVERYTHING, "orders"})}


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("money", {"billing", *SUITES}),
        ("fastapi", EVERYTHING),
        ("pytest", EVERYTHING),
        ("ruff", {"workspace"}),
        ("nox", EVERYTHING),
        ("colorlog", EVERYTHING),
    ],
)
@pytest.mark.parametrize("difference", [{"version": "2.0"}, {"content": "b"}], ids=str)
def test_a_package_that_is_locked_otherwise_touches_whose_environments_hold_it(
    package: str, expected: set[str], difference: dict[str, Any]
):
    after = relocked(**{package: dataclasses.replace(SMALL[package], **difference)})
    assert units(after=after) == units(before=after, after=NOW) == expected


def test_an_extra_that_one_member_asks_for_touches_that_one():
    tree = Package({"optional-dependencies.fast": (("ruff", ()),)})
    plain = {**SMALL, "money": Package()}
    asking = dataclasses.replace(
        SMALL["billing"], parts={**SMALL["billing"].parts, DEPENDENCIES: (("money", ("fast",)),)}
    )
    before = Sources(project(), lock({**plain, "money": tree}))
    assert units(before=before, after=Sources(project(), lock({**plain, "money": tree, "billing": asking}))) >= {
        "billing"
    }
    unused = Package({"optional-dependencies.fast": (("pytest", ()),)})
    assert units(before=before, after=Sources(project(), lock({**plain, "money": unused}))) == set()


@pytest.mark.parametrize("kind", ["optional-dependencies.local", "dev-dependencies.test"])
def test_a_group_or_extra_of_a_member_counts_like_its_dependencies(kind: str):
    parts = {**SMALL["users"].parts, kind: (("money", ()),)}
    before = relocked(users=dataclasses.replace(SMALL["users"], parts=parts))
    bumped = {**SMALL, "users": dataclasses.replace(SMALL["users"], parts=parts), "money": Package(version="2.0")}
    assert units(before=before, after=Sources(project(), lock(bumped))) == {"billing", "users", *SUITES}


def test_one_of_two_versions_of_a_package_touches_those_that_are_given_it():
    def forked(**newer: Any) -> Sources:
        more = Package({**SMALL["users"].parts, "optional-dependencies.x": (("money", ()),)}, folder="services/users")
        document = locked({**SMALL, "users": more})
        packages = {package["name"]: package for package in document["package"]}
        packages["billing"]["dependencies"][1]["version"] = "1.0"
        packages["users"]["optional-dependencies"]["x"][0]["version"] = "9"
        document["package"].append({**packages["money"], "version": "9", **newer})
        return Sources(project(), written(document))

    assert units(before=forked(), after=forked(resolution="other")) == set()
    assert units(before=forked(), after=forked(source="another")) == {"users", "workspace"}
    elsewhere = {"resolution-markers": ["python_full_version < '3.12'"]}
    assert units(before=forked(), after=forked(**elsewhere)) == {"users", "workspace"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("revision", 6, set()),
        ("version", 2, EVERYTHING),
        ("requires-python", ">=3.12", EVERYTHING),
        ("manifest", {**locked(SMALL)["manifest"], "constraints": [{"name": "x"}]}, EVERYTHING),
        ("options", {"exclude-newer": "2030-01-01T00:00:00Z"}, set()),
        ("resolution-markers", ["python_full_version < '3.12'"], set()),
        ("conflicts", [], EVERYTHING),
    ],
)
def test_what_the_lock_says_of_all_packages_touches_everything_if_it_decides_what_is_installed(key, value, expected):
    assert units(after=Sources(project(), written({**locked(SMALL), key: value}))) == expected


def test_what_the_lock_says_of_a_file_beside_its_hash_touches_nothing():
    assert units(after=Sources(project(), NOW.lock.replace('"size" = 1', '"size" = 2'))) == set()
    assert '"size" = 1' in NOW.lock


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"ruff": {"lint": {"select": ["ALL"]}}}, set()),
        ({"importlinter": {"root_packages": ["core"]}}, set()),
        ({"pyrefly": {"python-version": "3.11"}}, set()),
        ({"pytest": {"addopts": ["-x"]}}, EVERYTHING),
        ({"coverage": {"run": {"branch": True}}}, EVERYTHING),
        ({"uv": {"workspace": {"members": ["packages/*"]}}}, set()),
        ({"uv": {"workspace": {"members": ["packages/*", "services/*"]}, "sources": {"core": {}}}}, set()),
        ({"uv": {"workspace": {"members": ["packages/*", "services/*"]}, "compile-bytecode": True}}, EVERYTHING),
        ({"nobody-knows": {}}, EVERYTHING),
    ],
    ids=str,
)
def test_a_table_of_the_roots_pyproject_touches_those_whose_tests_it_decides(table, expected):
    other = Sources(project(**table), lock(SMALL))
    assert units(after=other) == units(before=other, after=NOW) == expected


@pytest.mark.parametrize(
    ("line", "other", "expected"),
    [
        ('version = "1"', 'version = "2"', set()),
        ('version = "1"', 'version = "1" # a comment', set()),
        ('version = "1"', 'version = "1"\nproject.dependencies = ["users"]', SUITES),
        ('requires-python = ">=3.11"', 'requires-python = ">=3.12"', EVERYTHING),
        (" :: 3.12", " :: 3.13", EVERYTHING),
        ("tool.uv", 'dependency-groups.dev = ["x"]\ntool.uv', set()),
        ("tool.uv", 'build-system.requires = ["x"]\ntool.uv', EVERYTHING),
    ],
)
def test_a_line_of_the_roots_pyproject_touches_those_whose_tests_it_decides(line, other, expected):
    assert line in NOW.project
    assert units(after=Sources(NOW.project.replace(line, other), NOW.lock)) == expected


@pytest.mark.parametrize(
    "broken", ["", "<<<<<<< HEAD", "package = 1", "[[package]]\nversion = 1", "[manifest]\nmembers = ['x']"]
)
def test_a_lock_that_cannot_be_read_touches_everything(broken: str):
    other = Sources(project(), broken)
    assert units(after=other) == units(before=other, after=NOW) == EVERYTHING


def test_a_pyproject_that_cannot_be_read_touches_everything_and_is_named():
    found = reasons(before=Sources("[project", lock(SMALL)))
    assert found.keys() == EVERYTHING
    ((because, (what,)),) = found["billing"].items()
    assert (because, what.partition(":")[0]) == ("cannot be compared", "pyproject.toml")


def test_a_member_of_the_root_that_no_service_needs_is_read_by_the_suites_all_the_same():
    more = {**SMALL, "tool": Package(folder="packages/tool")}
    both = Sources(project(), lock(more))
    assert units("packages/tool/src/tool/a.py", before=both, after=both, members={*MEMBERS, "tool"}) == {
        "tool",
        *SUITES,
    }
