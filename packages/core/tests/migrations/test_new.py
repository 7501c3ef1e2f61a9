"""A new migration: formatted and linted as it is, ordered so that it runs, and right."""

import ast
import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from schemas import outbox, shop
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from core.database import metadata
from core.migrations import MigrationError
from core.migrations.authoring.writing import FUNCTION_LINES_MAX

ROOT = Path(__file__).parents[4]

FIRST = '''\
"""Customers and orders.

The tables that core keeps in the database of every service are made here, too.
"""

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision = "0001_customers_and_orders"
down_revision = None


def upgrade(op: Operations) -> None:
    _customers(op)
    _orders(op)
    _core_outbox(op)


def _customers(op: Operations) -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("balance", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_customers_balance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_customers_email")),
    )
    op.create_index(op.f("ix_customers_created_at"), "customers", ["created_at"])
    op.create_index("ix_customers_rich", "customers", ["email"], postgresql_where=sa.text("balance > 100"))


def _orders(op: Operations) -> None:
    op.create_table(
        "orders",
        sa.Column("position", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_orders_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_orders")),
    )


def _core_outbox(op: Operations) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
'''

SECOND = '''\
"""Add the 'colour' of an order; and more."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002_add_the_colour_of_an_order"
down_revision = "0001_customers_and_orders"


def upgrade(op: Operations) -> None:
    op.add_column("orders", sa.Column("colour", sa.Text()))
'''


@pytest.fixture
def package(package, tmp_path):
    """A package that is linted and formatted as all of this project is."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return package


async def ruff(*arguments: object) -> str:
    command = [Path(sys.executable).with_name("ruff"), *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


async def is_clean(path: Path) -> bool:
    assert await ruff("check", "--no-cache", path) == ""
    assert await ruff("format", "--no-cache", "--check", path) == ""
    assert longest(path) <= FUNCTION_LINES_MAX
    return True


def longest(path: Path) -> int:
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return max((each.end_lineno or 0) - each.lineno + 1 for each in functions)


async def grown(package, url: str, *versions: MetaData) -> Path:
    """Writes and runs a migration for each version of the models, and gives the last."""
    path = Path()
    for number, models in enumerate(versions):
        written = await package.migrations(models).new(url, f"Step {number}")
        path = written.path
        assert await is_clean(path)
        assert await package.migrations(models).upgrade(url) == [path.stem]
        assert await package.migrations(models).check(url) == []
    return path


async def test_a_first_migration_reads_like_this(package, database_url):
    migrations = package.migrations(shop(), of_core=(outbox(),))
    written = await migrations.new(database_url, "customers and orders")
    assert written.path == package.folder / "0001_customers_and_orders.py"
    assert (written.path.read_text(), written.cautions, written.is_formatted) == (FIRST, [], True)
    assert await is_clean(written.path)
    assert await migrations.upgrade(database_url) == ["0001_customers_and_orders"]
    assert await migrations.check(database_url) == []


async def test_a_later_one_follows_the_last_and_holds_only_the_difference(package, database_url):
    before, models = package.migrations(shop(), of_core=(outbox(),)), shop()
    await before.new(database_url, "customers and orders")
    await before.upgrade(database_url)
    models.tables["orders"].append_column(Column("colour", Text))
    migrations = package.migrations(models, of_core=(outbox(),))
    written = await migrations.new(database_url, 'Add the  "colour"\nof an order. And more!')
    assert (written.path.read_text(), written.cautions) == (SECOND, [])
    assert await is_clean(written.path)
    assert await migrations.upgrade(database_url) == ["0002_add_the_colour_of_an_order"]
    assert await migrations.new(database_url, "again") is None
    assert sorted(package.folder.glob("0*.py"))[2:] == []


def circles() -> MetaData:
    """Tables that refer to themselves, to each other, and to one that comes later in the alphabet."""
    models = metadata()
    colour = Enum("red", "blue", name="colour")
    Table(
        "chickens",
        models,
        Column("id", Integer, Identity(), primary_key=True),
        Column("egg_id", ForeignKey("eggs.id", ondelete="SET NULL")),
        Column("mother_id", ForeignKey("chickens.id")),
        Column("colour", colour, nullable=False, server_default="red"),
    )
    Table(
        "eggs",
        models,
        Column("id", Integer, Identity(), primary_key=True),
        Column("chicken_id", ForeignKey("chickens.id")),
        Column("nest_id", ForeignKey("nests.id")),
        Column("colours", ARRAY(colour)),
    )
    Table(
        "nests",
        models,
        Column("id", Integer, Identity(), primary_key=True),
        Column("name", Text, nullable=False),
        Column("low", Text, Computed("lower(name)", persisted=True)),
        Column("tags", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("data", JSONB, server_default=text("'{}'"), nullable=False),
        CheckConstraint("name IN (" + ", ".join(f"'nest number {number}'" for number in range(20)) + ")", name="name"),
        UniqueConstraint("name", "low"),
        Index("ix_nests_lower", text("lower(name)"), postgresql_where=text("name <> 'ü'"), unique=True),
        Index("ix_nests_data", "data", postgresql_using="gin", postgresql_concurrently=True),
    )
    return models


async def test_tables_that_refer_to_each_other_are_made_and_dropped(package, database_url):
    made = await grown(package, database_url, circles())
    calls = made.read_text().partition("upgrade")[2].partition("\n\n")[0]
    assert calls.split()[4:] == ["_types(op)", "_chickens(op)", "_eggs(op)", "_nests(op)", "_foreign_keys(op)"]
    assert "    op.execute(\"CREATE TYPE colour AS ENUM ('red', 'blue')\")\n" in made.read_text()
    kept = metadata()
    circles().tables["nests"].to_metadata(kept)
    dropped = await grown(package, database_url, kept)
    statements = [line.strip().partition("(")[2] for line in dropped.read_text().splitlines() if "    op." in line]
    assert statements == ['"fk_eggs_chicken_id_chickens", "eggs", type_="foreignkey")', '"chickens")', '"eggs")']


async def test_existing_tables_may_come_to_refer_to_each_other(package, database_url):
    before, after = metadata(), metadata()
    for name in ("a", "b"):
        Table(name, before, Column("id", Integer, Identity(), primary_key=True))
    Table("a", after, Column("id", Integer, Identity(), primary_key=True), Column("b_id", ForeignKey("b.id")))
    Table("b", after, Column("id", Integer, Identity(), primary_key=True), Column("c_id", ForeignKey("c.id")))
    Table("c", after, Column("id", Integer, Identity(), primary_key=True), Column("a_id", ForeignKey("a.id")))
    path = await grown(package, database_url, before, after)
    assert "_foreign_keys(op)" in path.read_text()


async def test_what_postgresql_alone_can_tell_is_made_equal(package, database_url):
    before, after = circles(), metadata()
    colour = Enum("red", "green", "blue", "black", name="colour")
    before.remove(before.tables["chickens"])
    before.remove(before.tables["eggs"])
    Table("birds", before, Column("colour", Enum("red", "blue", name="colour"), primary_key=True))
    Table("birds", after, Column("colour", colour, primary_key=True), Column("colours", ARRAY(colour)))
    Table(
        "nests",
        after,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("name", Text, nullable=False, primary_key=True),
        Column("low", Text, Computed("lower(name)", persisted=True)),
        Column("tags", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("data", JSONB, server_default=text("'{}'"), nullable=False),
        CheckConstraint("name <> ''", name="name"),
        UniqueConstraint("name", "low", postgresql_nulls_not_distinct=True),
        UniqueConstraint("id"),
        Index("ix_nests_lower", text("lower(name)"), postgresql_where=text("name <> 'ö'"), unique=True),
        Index("ix_nests_data", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
    )
    await grown(package, database_url, before, after)


@pytest.mark.parametrize(("columns", "indexed"), [(30, 30), (70, 0)])
async def test_a_table_too_large_for_one_function_is_made_by_several(package, database_url, columns, indexed):
    models = metadata()
    Table(
        "wide",
        models,
        *(Column(f"number_{place}", Integer, nullable=False, index=place < indexed) for place in range(columns)),
        Column("id", Uuid, primary_key=True),
        CheckConstraint("number_0 > 0", name="first"),
    )
    Table("Wide_Indexes", models, Column("id", Uuid, primary_key=True))
    path = await grown(package, database_url, models)
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert names[:2] == ["upgrade", "_wide_indexes"]
    assert names[2:] == (["_wide", "_wide_indexes_2"] if indexed else ["_wide", "_wide_rest"])


async def test_without_ruff_it_is_whole_and_runs(package, database_url, monkeypatch):
    monkeypatch.setattr("core.migrations.authoring.formatting.find_ruff", lambda: None)
    monkeypatch.setattr("core.migrations.authoring.author.find_ruff", lambda: None)
    written = await package.migrations(circles()).new(database_url, "Start")
    assert not written.is_formatted
    assert (
        "    op.create_table('eggs',\n        sa.Column('id', sa.Integer(), sa.Identity()" in written.path.read_text()
    )
    await package.migrations(circles()).upgrade(database_url)
    assert await package.migrations(circles()).check(database_url) == []


async def test_one_to_be_written_by_hand_fails_until_it_is(package, database_url):
    package.migration("0001_start", 'op.execute("SELECT 1")')
    written = await asyncio.to_thread(package.migrations().new_by_hand, "Backfill")
    assert written.path.name == "0002_backfill.py"
    assert await is_clean(written.path)
    with pytest.raises(NotImplementedError, match="write what this migration does"):
        await package.migrations().upgrade(database_url)


@pytest.mark.parametrize(
    ("message", "docstring"),
    [
        ("add colour", "Add colour."),
        ("Add URL of v1.2. Then more", "Add URL of v1.2; then more."),
        ('a "quoted" \\n and\ttabs\x1b', "A 'quoted' n and tabs."),
        ("Größe \u2013 \u00d7 \u0410 it\u2019s", "Größe its."),
        ("what?!", "What."),
    ],
)
async def test_any_message_becomes_a_sentence_that_the_linter_takes(package, message, docstring):
    written = await asyncio.to_thread(package.migrations().new_by_hand, message)
    assert ast.get_docstring(ast.parse(await asyncio.to_thread(written.path.read_text))) == docstring
    assert await is_clean(written.path)


def test_a_message_of_more_than_a_line_is_refused(package):
    with pytest.raises(MigrationError, match="say it in 100 characters: these are 101"):
        package.migrations().new_by_hand("x" * 101)


def test_a_service_that_is_installed_is_not_written_into(tmp_path, monkeypatch, package):
    installed = type(package)(tmp_path / "site-packages", "installed")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    with pytest.raises(MigrationError, match="site-packages/installed/migrations is installed and not developed here"):
        installed.migrations().new_by_hand("Start")


def test_a_folder_that_takes_no_file_is_told_in_a_sentence(package, monkeypatch):
    monkeypatch.setattr("core.migrations.authoring.author.next_name", lambda *_: "missing/0001_start")
    with pytest.raises(MigrationError, match=r"missing/0001_start\.py cannot be written: No such file or directory"):
        package.migrations().new_by_hand("Start")
