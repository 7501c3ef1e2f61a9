"""What models and schema differ in, told in sentences: all of it, and nothing else."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from schemas import outbox, run, shop
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSTZRANGE, ExcludeConstraint

from core.database import metadata
from core.migrations import MigrationError
from core.migrations.database import open_connection

IN_MODELS = "is in the models and not in the schema"
IN_SCHEMA = "is in the schema and not in the models"


async def create(url: str, models: MetaData) -> None:
    async with open_connection(url, lock_timeout_ms=1_000) as connection:
        await connection.run_sync(models.create_all)
        await connection.commit()


def everything() -> MetaData:
    """Models with what Alembic does not compare, or only half."""
    models = metadata()
    colour = Enum("red", "blue", name="colour")
    Table(
        "things",
        models,
        Column("id", Integer, primary_key=True),
        Column("part", Integer, nullable=False),
        Column("colour", colour, nullable=False, server_default="red"),
        Column("colours", ARRAY(colour)),
        Column("name", Text, nullable=False, comment="As it is called."),
        Column("low", Text, Computed("lower(name)", persisted=True)),
        Column("during", TSTZRANGE),
        CheckConstraint("name IN ('a', 'b')", name="name"),
        UniqueConstraint("part", "name"),
        ExcludeConstraint(("during", "&&"), name="ex_things_during", using="gist"),
        Index("ix_things_low", text("lower(name)"), postgresql_where=text("part > 0")),
        comment="What there is.",
    )
    Table("parts", models, Column("id", Integer, primary_key=True), Column("thing_id", ForeignKey("things.id")))
    return models


DRIFT = {
    "ALTER TABLE orders DROP COLUMN status": f"orders: column status {IN_MODELS}",
    "ALTER TABLE orders ADD note text": f"orders: column note {IN_SCHEMA}",
    "ALTER TABLE orders ALTER status DROP NOT NULL": (
        "orders: column status is NOT NULL in the models and nullable in the schema"
    ),
    "ALTER TABLE orders ALTER status SET DEFAULT 'paid'": (
        "orders: the default of column status is 'open' in the models and 'paid'::text in the schema"
    ),
    "ALTER TABLE orders ALTER status DROP DEFAULT": (
        "orders: the default of column status is 'open' in the models and none in the schema"
    ),
    "ALTER TABLE orders ALTER status TYPE varchar(20)": (
        "orders: column status is TEXT in the models and VARCHAR(20) in the schema"
    ),
    "ALTER TABLE customers ALTER balance TYPE numeric(10, 2)": "NUMERIC(12, 2) in the models and NUMERIC(10, 2)",
    "ALTER TABLE customers ALTER created_at TYPE timestamp": "WITH TIME ZONE in the models and TIMESTAMP WITHOUT",
    "ALTER TABLE customers ALTER details SET DEFAULT '{\"a\": 1}'": "the default of column details is '{}'::jsonb",
    "ALTER TABLE customers ALTER details DROP NOT NULL": "column details is NOT NULL in the models",
    "DROP INDEX ix_customers_created_at": f"customers: index ix_customers_created_at {IN_MODELS}",
    "CREATE INDEX more ON customers (email)": f"customers: index more {IN_SCHEMA}",
    "ALTER TABLE customers DROP CONSTRAINT uq_customers_email": (
        f"customers: unique constraint uq_customers_email {IN_MODELS}"
    ),
    "ALTER TABLE customers DROP CONSTRAINT ck_customers_balance": f"customers: check ck_customers_balance {IN_MODELS}",
    "ALTER TABLE orders ADD CONSTRAINT more CHECK (position > 0)": f"orders: check constraint more {IN_SCHEMA}",
    "ALTER TABLE orders DROP CONSTRAINT fk_orders_customer_id_customers": (
        f"orders: foreign key fk_orders_customer_id_customers {IN_MODELS}"
    ),
    """ALTER TABLE orders DROP CONSTRAINT fk_orders_customer_id_customers,
        ADD CONSTRAINT fk_orders_customer_id_customers FOREIGN KEY (customer_id) REFERENCES customers""": (
        "orders: foreign key fk_orders_customer_id_customers differs"
    ),
    "ALTER TABLE orders ADD CONSTRAINT more FOREIGN KEY (customer_id) REFERENCES customers": (
        f"orders: foreign key more {IN_SCHEMA}"
    ),
    "CREATE TABLE forgotten (id int); CREATE INDEX more ON forgotten (id)": f"forgotten: the table {IN_SCHEMA}",
    "DROP TABLE orders": f"orders: the table {IN_MODELS}",
}


@pytest.mark.parametrize("models", [shop, everything])
async def test_models_and_the_tables_made_of_them_are_equal(package, database_url, models):
    await create(database_url, models())
    assert await package.migrations(models()).check(database_url) == []


@pytest.mark.parametrize(("drift", "sentence"), DRIFT.items(), ids=DRIFT.keys())
async def test_a_schema_that_drifted_is_told_in_a_sentence(package, database_url, drift, sentence):
    await create(database_url, shop())
    for statement in drift.split(";"):
        await run(database_url, statement)
    (difference,) = await package.migrations(shop()).check(database_url)
    assert sentence in difference
    assert "\n" not in difference


UNTOLD_BY_ALEMBIC = {
    "ALTER TABLE things DROP CONSTRAINT ck_things_name, ADD CONSTRAINT ck_things_name CHECK (name IN ('a'))": (
        "things: check ck_things_name is CHECK (name = ANY (ARRAY['a'::text, 'b'::text])) in the models"
        " and CHECK (name = 'a'::text) in the schema"
    ),
    "DROP INDEX ix_things_low; CREATE INDEX ix_things_low ON things (lower(name)) WHERE part > 1": (
        "things: index ix_things_low is CREATE INDEX ix_things_low ON things USING btree (lower(name)) WHERE part > 0"
        " in the models and CREATE INDEX ix_things_low ON things USING btree (lower(name)) WHERE part > 1 in the schema"
    ),
    "ALTER TABLE parts DROP CONSTRAINT pk_parts": f"parts: primary key pk_parts {IN_MODELS}",
    "ALTER TABLE parts DROP CONSTRAINT pk_parts, ADD CONSTRAINT pk_parts PRIMARY KEY (id, thing_id)": (
        "parts: primary key pk_parts is PRIMARY KEY (id) in the models and PRIMARY KEY (id, thing_id) in the schema"
    ),
    "ALTER TABLE things DROP CONSTRAINT ex_things_during": f"things: exclusion ex_things_during {IN_MODELS}",
    "ALTER TABLE parts ADD CONSTRAINT more EXCLUDE USING btree (id WITH =)": f"parts: exclusion more {IN_SCHEMA}",
    "ALTER TABLE things DROP CONSTRAINT uq_things_part_name,"
    " ADD CONSTRAINT uq_things_part_name UNIQUE NULLS NOT DISTINCT (part, name)": (
        "things: unique constraint uq_things_part_name is UNIQUE (part, name) in the models"
        " and UNIQUE NULLS NOT DISTINCT (part, name) in the schema"
    ),
    "ALTER TYPE colour ADD VALUE 'green'": (
        "type colour is red, blue in the models and red, blue, green in the schema;"
        " PostgreSQL neither removes nor moves a label"
    ),
    "ALTER TYPE colour RENAME VALUE 'blue' TO 'rose'": "type colour: blue is in the models and not in the schema",
    "COMMENT ON TABLE things IS 'Other'": "things: the comment on the table differs",
    "COMMENT ON TABLE parts IS 'Other'": "parts: the comment on the table differs",
    "COMMENT ON COLUMN things.name IS 'Other'": "things: the comment on column name differs",
    "ALTER TABLE things ALTER part ADD GENERATED ALWAYS AS IDENTITY": (
        "things: the default of column part is none in the models and an identity in the schema"
    ),
}


@pytest.mark.parametrize(("drift", "sentence"), UNTOLD_BY_ALEMBIC.items(), ids=UNTOLD_BY_ALEMBIC.keys())
async def test_what_alembic_does_not_compare_is_told_too(package, database_url, drift, sentence):
    await create(database_url, everything())
    for statement in drift.split(";"):
        await run(database_url, statement)
    assert sentence in await package.migrations(everything()).check(database_url)


async def test_a_primary_key_of_another_name_and_a_type_that_nobody_uses_are_no_difference(package, database_url):
    await create(database_url, everything())
    await run(database_url, "ALTER TABLE parts RENAME CONSTRAINT pk_parts TO parts_pkey")
    await run(database_url, "CREATE TYPE of_nobody AS ENUM ('x')")
    assert await package.migrations(everything()).check(database_url) == []


async def test_a_constraint_that_is_not_validated_yet_is_there(package, database_url):
    await create(database_url, everything())
    await run(database_url, "ALTER TABLE things DROP CONSTRAINT ck_things_name")
    check = "CONSTRAINT ck_things_name CHECK (name IN ('a', 'b')) NOT VALID"
    await run(database_url, f"ALTER TABLE things ADD {check}")
    # Where a call may block, as it may in a command: SQLAlchemy looks on the disk for what it makes of NOT VALID.
    program = f"""
        import asyncio
        from core.migrations import Migrations
        from test_check import everything
        print(asyncio.run(Migrations({package.name!r}, [everything()]).check({database_url!r})))
    """
    here = Path(__file__).parent
    path = {"PYTHONPATH": os.pathsep.join(map(str, [here, here.parent, package.folder.parents[1]]))}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=os.environ | path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


async def test_comparing_leaves_nothing_behind(package, database_url):
    await create(database_url, everything())
    before = await run(database_url, "SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_type ORDER BY 1")
    await package.migrations(everything()).check(database_url)
    assert await run(database_url, "SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_type ORDER BY 1") == before


async def test_models_that_postgresql_refuses_are_told_in_its_words(package, database_url):
    models = metadata()
    await create(database_url, shop())
    Table("customers", models, Column("email", Text), Index("ix", "email", postgresql_ops={"email": "gin_trgm_ops"}))
    with pytest.raises(MigrationError, match='PostgreSQL refuses the models: operator class "gin_trgm_ops" does not'):
        await package.migrations(models).check(database_url)


async def test_a_default_that_the_schema_does_not_know_is_told_in_the_words_of_postgresql(package, database_url):
    await create(database_url, everything())
    await run(database_url, "ALTER TYPE colour RENAME VALUE 'red' TO 'rose'")
    with pytest.raises(MigrationError, match='refuses the models: invalid input value for enum colour: "red"'):
        await package.migrations(everything()).check(database_url)


async def test_two_differences_are_two_lines_even_in_one_table(package, database_url):
    await create(database_url, shop())
    await run(database_url, "ALTER TABLE orders DROP status, ADD note text")
    assert await package.migrations(shop()).check(database_url) == [
        f"orders: column status {IN_MODELS}",
        f"orders: column note {IN_SCHEMA}",
    ]


async def test_a_table_that_two_models_define_is_an_error(package, database_url):
    with pytest.raises(ValueError, match="Duplicate table keys"):
        await package.migrations(outbox(), outbox()).check(database_url)


async def test_a_database_that_is_behind_is_told_with_the_command_that_helps(package, database_url):
    package.migration("0001_start", 'op.execute("SELECT 1")')
    for compare in (package.migrations().check(database_url), package.migrations().new(database_url, "More")):
        with pytest.raises(
            MigrationError, match=f"is at no migration, the code at 0001_start: run {package.name} migr"
        ):
            await compare


async def test_a_database_that_is_ahead_is_not_compared(package, database_url):
    package.migration("0001_start", 'op.execute("SELECT 1")')
    await package.migrations().upgrade(database_url)
    (package.folder / "0001_start.py").unlink()
    with pytest.raises(
        MigrationError, match="the database is at 0001_start, ahead of the code, which is at no migration"
    ):
        await package.migrations().check(database_url)
