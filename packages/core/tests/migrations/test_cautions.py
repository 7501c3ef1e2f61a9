"""What a person is told to look at in a migration, by PostgreSQL's rules; and what needs no word."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.schema import SchemaItem

from core.database import metadata
from core.migrations.database import open_connection

ROOT = Path(__file__).parents[4]


def stored() -> MetaData:
    models = metadata()
    Table("others", models, Column("id", Integer, primary_key=True))
    Table(
        "things",
        models,
        Column("id", Integer, primary_key=True),
        Column("name", Text),
        Column("code", String(10)),
        Column("price", Numeric(10, 2)),
        Column("count", Integer),
        Index("ix_things_code", "code"),
    )
    return models


def things(*changed: SchemaItem, without: str = "") -> MetaData:
    """The same with columns in place of those of their names, and other items beside."""
    models = metadata()
    before = stored().tables
    before["others"].to_metadata(models)
    names = {each.name for each in changed if isinstance(each, Column)} | {without}
    kept = [each._copy() for each in before["things"].columns if each.name not in names]
    indexes = [] if without == "ix_things_code" else [Index("ix_things_code", "code")]
    Table("things", models, *kept, *changed, *indexes)
    return models


REWRITTEN = "PostgreSQL rewrites the table, and nobody reads or writes it meanwhile."
SAID = {
    "a new column that is NOT NULL": (
        things(Column("colour", Text, nullable=False)),
        "column colour is NOT NULL and has no server default: this fails where there are rows.",
    ),
    "a new column whose default is volatile": (
        things(Column("key", Uuid, server_default=func.gen_random_uuid())),
        f"the default of column key differs from row to row: {REWRITTEN}",
    ),
    "a new column that is stored as computed": (
        things(Column("low", Text, Computed("lower(name)", persisted=True))),
        f"column low has a value in every row: {REWRITTEN}",
    ),
    "a new identity": (
        things(Column("position", Integer, Identity())),
        f"column position has a value in every row: {REWRITTEN}",
    ),
    "a dropped column": (things(without="name"), "column name: its data is lost"),
    "a type of another kind": (
        things(Column("name", Integer)),
        f"column name goes from TEXT to INTEGER: {REWRITTEN[:-1]}; say how the values are converted with",
    ),
    "a wider number": (things(Column("count", Numeric)), f"column count goes from INTEGER to NUMERIC: {REWRITTEN}"),
    "fewer characters": (things(Column("name", String(5))), f"column name goes from TEXT to VARCHAR(5): {REWRITTEN}"),
    "fewer digits": (things(Column("price", Numeric(8, 2))), "column price goes from NUMERIC(10, 2) to NUMERIC(8, 2)"),
    "another scale": (
        things(Column("price", Numeric(12, 4))),
        "column price goes from NUMERIC(10, 2) to NUMERIC(12, 4)",
    ),
    "a number as text": (things(Column("price", Text)), f"column price goes from NUMERIC(10, 2) to TEXT: {REWRITTEN}"),
    "text as an enum": (things(Column("name", Enum("a", name="letter"))), "goes from TEXT to letter: "),
    "a column that becomes NOT NULL": (
        things(Column("name", Text, nullable=False)),
        "column name becomes NOT NULL: this fails where a row has none, and scans the table",
    ),
    "an index": (things(Index("ix", "name")), "index ix is built while nobody writes to the table."),
    "a dropped index": (
        things(without="ix_things_code"),
        "index ix_things_code is dropped when nobody reads or writes the table.",
    ),
    "a unique constraint": (
        things(UniqueConstraint("name", name="uq")),
        "unique constraint uq fails where rows are equal",
    ),
    "a check": (things(CheckConstraint("id > 0", name="id")), "check ck_things_id scans the table, which nobody reads"),
    "a foreign key": (
        things(Column("other_id", ForeignKey("others.id"))),
        "foreign key fk_things_other_id_others scans the table, and nobody writes to it or to others meanwhile:",
    ),
    "another primary key": (
        things(Column("id", Integer), Column("key", Integer, primary_key=True, server_default="0")),
        "its index is built while nobody reads or writes the table.",
    ),
    "a column of the type of one that is dropped": (
        things(Column("label", Text), without="name"),
        'If it is column name renamed: op.alter_column("things", "name", new_column_name="label") in place of both',
    ),
}


async def cautions(package, url: str, models: MetaData) -> list[str]:
    async with open_connection(url, lock_timeout_ms=1_000) as connection:
        await connection.run_sync(stored().create_all)
        await connection.commit()
    written = await package.migrations(models).new(url, "Change")
    said = " ".join(line.strip(" #") for line in written.path.read_text().splitlines() if line.startswith("    #"))
    assert all(each.partition(": ")[2] in said for each in written.cautions)
    command = [Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--config", ROOT / "pyproject.toml"]
    done = await asyncio.to_thread(
        subprocess.run, [*command, written.path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return written.cautions


@pytest.mark.parametrize(("models", "said"), SAID.values(), ids=SAID.keys())
async def test_what_fails_loses_or_blocks_is_said_in_the_file_and_to_whoever_writes_it(
    package, database_url, models, said
):
    found = await cautions(package, database_url, models)
    assert any(f"things: {said}" in each or said in each for each in found), found
    assert all(each.startswith("things: ") for each in found)


UNSAID = {
    "a new column": things(Column("colour", Text)),
    "a new column with a default": things(Column("colour", Text, nullable=False, server_default="red")),
    "a new column with a default that is one for all rows": things(Column("at", Text, server_default=text("now()"))),
    "a new column that is computed when it is read": things(
        Column("low", Text, Computed("lower(name)", persisted=False))
    ),
    "more characters": things(Column("code", String(20))),
    "as many characters as there are": things(Column("code", Text)),
    "more digits": things(Column("price", Numeric(12, 2))),
    "a default": things(Column("name", Text, server_default="x")),
}


@pytest.mark.parametrize("models", UNSAID.values(), ids=UNSAID.keys())
async def test_what_neither_fails_nor_loses_nor_blocks_needs_no_word(package, database_url, models):
    assert await cautions(package, database_url, models) == []


async def test_a_new_table_needs_no_word(package, database_url):
    models = things()
    Table(
        "fresh",
        models,
        Column("id", Integer, Identity(), primary_key=True),
        Column("thing_id", ForeignKey("things.id"), nullable=False, index=True),
        Column("key", Uuid, server_default=func.gen_random_uuid(), nullable=False, unique=True),
        CheckConstraint("id > 0", name="id"),
    )
    assert await cautions(package, database_url, models) == []


async def test_a_dropped_table_may_be_one_that_was_renamed(package, database_url):
    models = things()
    models.remove(models.tables["others"])
    Table("siblings", models, Column("id", Integer, primary_key=True))
    renamed, dropped = await cautions(package, database_url, models)
    call = 'op.rename_table("others", "siblings")'
    assert renamed.startswith(
        f"siblings: If it is table others renamed: {call} in place of both keeps its data, but fails"
    )
    assert dropped.startswith(
        "others: table others: its data is lost, and replicas of the release before still use it."
    )


async def test_what_has_another_shape_was_not_renamed(package, database_url):
    models = things(Column("label", Integer), without="name")
    models.remove(models.tables["others"])
    Table("siblings", models, Column("number", Integer, primary_key=True))
    assert not [each for each in await cautions(package, database_url, models) if "renamed" in each]


async def test_a_label_that_is_gone_is_for_a_person_to_replace(package, database_url):
    async with open_connection(database_url, lock_timeout_ms=1_000) as connection:
        await connection.run_sync(things(Column("size", Enum("s", "m", name="size"))).create_all)
        await connection.commit()
    models = things(Column("size", Enum("s", name="size")))
    written = await package.migrations(models).new(database_url, "Change")
    (caution,) = written.cautions
    assert caution.startswith("types: type size is s in the models and s, m in the schema; PostgreSQL neither removes")
    with pytest.raises(NotImplementedError, match="type size is s"):
        await package.migrations(models).upgrade(database_url)
