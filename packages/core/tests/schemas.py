"""A package with migrations on disk, and models with one of everything that our services use."""

import itertools
import textwrap
from pathlib import Path

import asyncpg
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.database import UtcDateTime, metadata
from core.migrations import Migrations

counter = itertools.count(1)


class Package:
    """A service's package on disk, its migrations, and the tables that its models define."""

    def __init__(self, folder: Path, name: str):
        self.name = name
        self.folder = folder / name / "migrations"
        self.folder.mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (self.folder / "__init__.py").touch()

    def migration(self, name: str, body: str, *, after: str | None = None) -> None:
        head = f'revision = "{name}"\ndown_revision = {after!r}\n\n\ndef upgrade(op):\n'
        (self.folder / f"{name}.py").write_text(head + textwrap.indent(textwrap.dedent(body), "    "))

    def migrations(self, *models: MetaData, of_core: tuple[MetaData, ...] = ()) -> Migrations:
        return Migrations(self.name, [*models, *of_core], of_core=of_core)


async def run(url: str, statement: str, *arguments: object) -> list:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


def shop() -> MetaData:
    """Models with one of everything that our services use."""
    models = metadata()
    Table(
        "customers",
        models,
        Column("id", Uuid, primary_key=True),
        Column("email", Text, nullable=False, unique=True),
        Column("created_at", UtcDateTime, nullable=False, server_default=func.now(), index=True),
        Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("balance", Numeric(12, 2), nullable=False, server_default=text("0")),
        CheckConstraint("balance >= 0", name="balance"),
        Index("ix_customers_rich", "email", postgresql_where=text("balance > 100")),
    )
    Table(
        "orders",
        models,
        Column("position", Integer, Identity(), primary_key=True),
        Column("customer_id", Uuid, ForeignKey("customers.id", ondelete="CASCADE"), nullable=False),
        Column("status", Text, nullable=False, server_default="open"),
    )
    return models


def outbox() -> MetaData:
    models = metadata()
    Table("outbox", models, Column("id", Uuid, primary_key=True), Column("sent_at", UtcDateTime))
    return models
