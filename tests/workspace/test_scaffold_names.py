"""A name that could not be used for all that it stands for is refused in one sentence, before anything is made."""

import shutil
from importlib.util import find_spec

import pytest
from workspace.scaffold import identifiers, template
from workspace.scaffold.identifiers import parsed, texts
from workspace.scaffold.naming import CHARACTERS_MAX, named
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names
from workspace.scaffold.vacancy import check_service, check_slice

# Containers, and texts that compose.yaml has at one place for several.
OF_COMPOSE = [
    "backup",
    "collector",
    "databases",
    "edge",
    "nats",
    "postgres",
    "prometheus",
    "secrets",
    "sender",
    "subnet",
]


@pytest.mark.parametrize(
    ("service", "slice_name", "singular", "names"),
    [
        ("orders", "orders", None, Names("orders", "orders", "order", "ord")),
        ("orders", "baskets", None, Names("orders", "baskets", "basket", "bas")),
        ("addresses", "addresses", None, Names("addresses", "addresses", "address", "add")),
        ("stock", "catalog", "product", Names("stock", "catalog", "product", "pro")),
        ("order_items", "order_items", None, Names("order_items", "order_items", "order_item", "ord")),
        ("mp3s", "mp3s", None, Names("mp3s", "mp3s", "mp3", "mp")),
        ("o" * 24 + "s", "b" * 24 + "s", None, Names("o" * 24 + "s", "b" * 24 + "s", "b" * 24, "bbb")),
    ],
)
def test_a_name_gives_the_others(service, slice_name, singular, names):
    assert named(service, slice_name, singular) == names


@pytest.mark.parametrize(
    "name",
    ["", "Orders", "orders-2", "2orders", "_orders", "orders_", "a__b", "örders", "a.b", "o" * CHARACTERS_MAX + "s"],
)
def test_a_name_of_another_form_is_refused(project, name):
    with pytest.raises(Refused, match=r"cannot be the name of a service, which has lower-case letters"):
        check_service(project, name)
    with pytest.raises(Refused, match=r"cannot be the name of a slice, which has lower-case letters"):
        named("orders", name, None)
    with pytest.raises(Refused, match=r"cannot be the name of a resource, which has lower-case letters"):
        named("orders", "baskets", name)


@pytest.mark.parametrize("slice_name", ["catalog", "equipment", "order"])
def test_a_slice_whose_name_is_no_plural_is_refused(slice_name):
    with pytest.raises(Refused, match=r"name the slice by the plural of its resource, or say with --singular"):
        named("orders", slice_name, None)


@pytest.mark.parametrize("name", ["class", "lambda", "list", "print"])
def test_a_name_that_python_uses_is_refused(project, name):
    for judge in (
        lambda: check_service(project, name),
        lambda: named("orders", name, "x"),
        lambda: named("orders", "baskets", name),
    ):
        with pytest.raises(Refused, match=f"'{name}' cannot be the name of .*means something in Python"):
            judge()


def test_a_slice_is_refused_for_what_one_of_it_would_be_called():
    with pytest.raises(Refused, match="'list' cannot be the name of a resource"):
        named("orders", "lists", None)


@pytest.mark.parametrize(
    "slice_name", ["pages", "sessions", "queries", "callers", "events", "clocks", "owners", "notes", "bodies"]
)
def test_a_slice_that_the_code_of_the_template_would_mistake_is_refused(slice_name):
    with pytest.raises(Refused, match="would mean two things in its code"):
        named("orders", slice_name, None)


def test_what_the_code_of_the_template_uses_is_read_from_it(tmp_path, monkeypatch):
    shutil.copytree(template.TEMPLATE, tmp_path / "template")
    rules = tmp_path / "template/src/acme/widgets/rules.py"
    rules.write_text("def hammered(hammer: int) -> int:\n    return hammer\n")
    assert named("orders", "hammers", None).singular == "hammer"
    for module in (template, identifiers):
        monkeypatch.setattr(module, "TEMPLATE", tmp_path / "template")
    with pytest.raises(Refused, match="'hammer' would mean two things"):
        named("orders", "hammers", None)


def test_what_tools_keep_beside_the_template_is_no_part_of_it(tmp_path, monkeypatch):
    shutil.copytree(template.TEMPLATE, tmp_path / "template")
    monkeypatch.setattr(template, "TEMPLATE", tmp_path / "template")
    parts = template.parts_of_service()
    for kept in ("src/acme/__pycache__/app.pyc", ".ruff_cache/file", ".DS_Store"):
        (tmp_path / "template" / kept).parent.mkdir(exist_ok=True)
        (tmp_path / "template" / kept).touch()
    assert template.parts_of_service() == parts


def test_a_slice_and_one_of_it_need_two_names():
    with pytest.raises(Refused, match="'Item1' would mean two things"):
        named("orders", "item1", "item_1")


@pytest.mark.parametrize("slice_name", ["settings", "tables", "migrations", "app", "conformance"])
def test_a_slice_named_like_what_every_service_has_is_refused(slice_name):
    with pytest.raises(Refused, match="every service has a module or test named so"):
        named("orders", slice_name, "thing")


@pytest.mark.parametrize("slice_name", ["jobs", "outbox"])
def test_a_slice_named_like_a_table_of_core_is_refused(slice_name):
    with pytest.raises(Refused, match="core keeps a table of that name"):
        named("orders", slice_name, "thing")


@pytest.mark.parametrize(
    ("used", "prefix"), [([], "bas"), (["bas"], "bask"), (["bas", "bask", "baske", "basket"], "baskets")]
)
def test_ids_begin_with_what_nothing_else_of_the_service_begins_with(used, prefix):
    assert named("orders", "baskets", None, used=used).prefix == prefix


def test_a_slice_for_whose_ids_no_prefix_is_left_is_refused():
    with pytest.raises(Refused, match="no prefix of 'mp' is free"):
        named("orders", "mp3s", None, used=["mp", "mps"])


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("users", "there is a folder services/users"),
        ("core", "there is a folder packages/core"),
        ("system", "the suite tests/system has it"),
        ("workspace", "the suite tests/workspace has it"),
        *((name, "compose.yaml calls something else by it") for name in OF_COMPOSE),
        ("template0", "PostgreSQL keeps it for itself"),
        ("template1", "PostgreSQL keeps it for itself"),
        ("public", "PostgreSQL keeps it for itself"),
        ("pg_things", "PostgreSQL keeps it for itself"),
        ("acme", "a module in workspace/template/src has it"),
        ("notes", "a module in packages/core/tests has it"),
        ("counting", "a module in packages/core/tests has it"),
        ("queue", "`import queue` finds something else"),
        ("sqlalchemy", "`import sqlalchemy` finds something else"),
        ("platform", "`import platform` finds something else"),
        ("test", "`import test` finds something else"),
        ("nox", "`import nox` finds something else"),
        ("typing_extensions", "`import typing_extensions` finds something else"),
        ("import_linter", "a distribution in uv.lock has it"),
        ("git", "its command would hide a program"),
        ("py_test", "its command would hide a program"),
        ("livez", "the gateway answers /livez itself"),
        ("startupz", "the gateway answers /startupz itself"),
        ("billing_extra", "its variables could not be told from those of billing, which begin alike"),
        ("core_things", "its variables could not be told from those of core, which begin alike"),
        ("otter", "it would take the variable OTTER_PUPS, which is set here, for its own"),
    ],
)
def test_a_service_whose_name_is_taken_is_refused(project, monkeypatch, tmp_path, service, reason):
    monkeypatch.setenv("OTTER_PUPS", "4")
    (tmp_path / "py_test").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(Refused) as refused:
        check_service(project, service)
    assert str(refused.value) == f"{service!r} cannot be the name of a service: {reason}."


def test_a_service_whose_variables_another_one_would_take_is_refused(tree):
    (tree / "services/users").rename(tree / "services/online_users")
    with pytest.raises(Refused, match="could not be told from those of online_users"):
        check_service(tree, "online")


@pytest.mark.parametrize("service", ["otters", "otter_pups", "postgres_otters", "events", "jobs"])
def test_a_free_name_is_taken(project, service):
    assert find_spec(service) is None
    check_service(project, service)


@pytest.mark.parametrize(
    ("slice_name", "singular", "reason"),
    [
        ("catalog", "product", "src/billing/catalog already"),
        ("money", "coin", "src/billing/money.py already"),
        ("retries", None, "tests/test_retries.py already"),
        ("delays", None, "tests/test_delays_events.py already"),
        ("gifts", None, r"^billing has an event 'gift\.made' already, which the slice would have as well\.$"),
        ("prices", None, "a table, a tag or a path 'prices' already"),
        ("deals", "plan", "a class 'Plan[A-Za-z]*' already"),
    ],
)
def test_a_slice_that_would_clash_with_the_service_is_refused(tree, slice_name, singular, reason):
    for name in ("retries", "delays_events"):
        (tree / f"services/billing/tests/test_{name}.py").touch()
    (tree / "services/billing/src/billing/payments/announcements.py").write_text('announcements.tells("gift.made")')
    trees = [parsed(module) for module in sorted(tree.glob("services/billing/src/**/*.py"))]
    with pytest.raises(Refused, match=reason):
        check_slice(tree, named("billing", slice_name, singular), trees)


def test_ids_of_a_slice_do_not_begin_like_others_of_its_service(project):
    used = texts(parsed(module) for module in project.glob("services/billing/src/**/*.py"))
    assert named("billing", "invitations", None, used=used).prefix == "invi"
