"""Reads that answer a request: SQL written in SQLAlchemy, compiled once, run by asyncpg, mapped by pydantic.

Ten times less work for the event loop than an ORM session, and no BEGIN, COMMIT or ROLLBACK round trip: each read is
one statement on its own snapshot, on a connection that the server itself keeps read-only.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
import orjson
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import ARRAY, Float, Numeric, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.types import TypeDecorator, TypeEngine

from core.cancellation import settled
from core.database.outage import LOST, OUTAGES, DatabaseUnavailable, outage
from core.database.pools import Gate
from core.database.statements import Statements
from core.settings import DatabaseSettings

# How long a read that is given up may wait until the server has given it up, too; after that its connection is closed.
CANCEL_TIMEOUT_S = 1.0

Row = TypeVar("Row", bound=BaseModel)

_DIALECT = PGDialect_asyncpg()
# PostgreSQL's type numbers (pg_type.oid); SQLAlchemy asks for them to choose between float and Decimal.
_FLOAT8, _NUMERIC = 701, 1700


class Query(Generic[Row]):
    """A SELECT whose SQL, parameters and row shape are settled when its module is imported; a mismatch fails there."""

    def __init__(self, statement: Select[*tuple[Any, ...]], model: type[Row]) -> None:
        """Compiles `statement`, whose columns must fill the required fields of `model`.

        Raises:
            TypeError: a required field of `model` has no column, two columns have one name, or a parameter is a list
                (`== any_(bindparam("ids", type_=ARRAY(Uuid)))` takes one).
        """
        compiled: Any = statement.compile(dialect=_DIALECT)
        self._required = frozenset(name for name, bind in compiled.binds.items() if bind.required)
        if any(compiled.binds[name].expanding for name in self._required):
            message = "a list is no parameter: compare with any_(...) of one array"
            raise TypeError(message)
        # Each value of an `in_([...])` becomes a parameter of its own.
        expanded = compiled.construct_expanded_state(dict.fromkeys(self._required))
        self.sql: str = expanded.statement
        self._names: tuple[str, ...] = tuple(expanded.positiontup or ())
        self._defaults = {name: expanded.parameters[name] for name in self._names if name not in self._required}
        processors = {**compiled._bind_processors, **expanded.processors}  # noqa: SLF001 - what SQLAlchemy itself runs
        self._binders = tuple(
            (position, processors[name]) for position, name in enumerate(self._names) if name in processors
        )
        columns = {column.key: column for column in statement.selected_columns if column.key}
        if len(columns) != len(statement.selected_columns):
            message = f"two columns for {model.__name__} have one name, or one has none: label them"
            raise TypeError(message)
        lacking = {name for name, field in model.model_fields.items() if field.is_required()} - columns.keys()
        if lacking:
            message = f"{model.__name__} needs {sorted(lacking)}, which the SELECT does not give"
            raise TypeError(message)
        self._results = {
            key: process
            for key, column in columns.items()
            if (process := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, _type_number(column.type)))
        }
        self._one = TypeAdapter(model)
        self._many = TypeAdapter(list[model])

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the compiled SQL.

        Raises:
            TypeError: a parameter lacks, or is none of the SELECT's.
        """
        if not self._required <= given.keys() <= frozenset(self._names):
            message = f"parameters {sorted(given)} given, {sorted(self._required)} wanted"
            raise TypeError(message)
        merged = {**self._defaults, **given}
        values = [merged[name] for name in self._names]
        for position, process in self._binders:
            values[position] = process(values[position])
        return values

    def one(self, record: asyncpg.Record) -> Row:
        """The model of one row."""
        return self._one.validate_python(self._row(record))

    def many(self, records: list[asyncpg.Record]) -> list[Row]:
        """The models of many rows, validated in one pass."""
        return self._many.validate_python([self._row(record) for record in records])

    def _row(self, record: asyncpg.Record) -> dict[str, Any]:
        row = dict(record)
        for key, process in self._results.items():
            row[key] = process(row[key])
        return row


def _type_number(column_type: TypeEngine[Any]) -> int | None:
    while isinstance(column_type, TypeDecorator | ARRAY):
        column_type = column_type.impl_instance if isinstance(column_type, TypeDecorator) else column_type.item_type
    if isinstance(column_type, Float):
        return _FLOAT8
    return _NUMERIC if isinstance(column_type, Numeric) else None


@dataclass(frozen=True, slots=True)
class ReadSession:
    """Runs queries outside any transaction."""

    pool: asyncpg.Pool
    free: Gate
    wait_s: float
    statements: Statements

    async def first(self, query: Query[Row], /, **given: Any) -> Row | None:
        """The first row, or None.

        Raises:
            DatabaseUnavailable: no connection could be had in time, or the one in use was lost.
        """
        record = await self._run("fetchrow", query.sql, query.arguments(given))
        return None if record is None else query.one(record)

    async def all(self, query: Query[Row], /, **given: Any) -> list[Row]:
        """Every row.

        Raises:
            DatabaseUnavailable: no connection could be had in time, or the one in use was lost.
        """
        return query.many(await self._run("fetch", query.sql, query.arguments(given)))

    async def _run(self, method: str, sql: str, values: list[Any]) -> Any:
        try:
            return await self._run_once(method, sql, values)
        except DatabaseUnavailable as failed:
            if not isinstance(failed.__cause__, LOST):
                raise
        # It had died while it was idle, as the others then have; and what only reads may be asked twice.
        await self.pool.expire_connections()
        return await self._run_once(method, sql, values)

    async def _run_once(self, method: str, sql: str, values: list[Any]) -> Any:
        async with self._connection() as connection:
            with self.statements.span(sql):
                return await getattr(connection, method)(sql, *values)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            await self.free.enter(wait_s=self.wait_s)
            try:
                async with self.pool.acquire() as connection:
                    try:
                        yield connection
                    except asyncio.CancelledError:
                        # By itself asyncpg would wait for a server that hangs as long as a statement may take.
                        with suppress(*OUTAGES):
                            await settled(self.pool.release(connection, timeout=CANCEL_TIMEOUT_S))
                        raise
            finally:
                self.free.release()
        except OUTAGES as failed:
            raise outage(failed) from failed


class _ReadOnlyConnection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        # Only compiled SELECTs ran: there is nothing to reset, and a reset would be a round trip a read.
        return ""


async def _install_codecs(connection: asyncpg.Connection) -> None:
    """JSON as SQLAlchemy's own asyncpg connections have it: its JSON types expect text that they decode."""
    await connection.set_type_codec("json", schema="pg_catalog", format="text", encoder=str, decoder=orjson.loads)
    await connection.set_type_codec("jsonb", schema="pg_catalog", format="text", encoder=str, decoder=orjson.loads)


@asynccontextmanager
async def open_reads(
    dsn: str,
    *,
    settings: DatabaseSettings,
    server_settings: Mapping[str, str],
    limits: Mapping[str, float],
    statements: Statements,
) -> AsyncIterator[ReadSession]:
    """Opens a pool of read-only connections, its first ones made.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(2, settings.read_pool_size),
            max_size=settings.read_pool_size,
            connection_class=_ReadOnlyConnection,
            init=_install_codecs,
            server_settings={**server_settings, "default_transaction_read_only": "on"},
            **limits,
        )
    except (*OUTAGES, asyncpg.PostgresError) as failed:
        raise DatabaseUnavailable from failed
    try:
        yield ReadSession(pool, Gate(settings.read_pool_size), settings.pool_timeout_s, statements)
    finally:
        pool.terminate()
