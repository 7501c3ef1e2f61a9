"""The steps of a migration: one for each table, each after what it refers to, and what core keeps last."""

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeGuard

from alembic.operations.ops import AddConstraintOp, CreateForeignKeyOp, CreateTableOp, DropConstraintOp, DropTableOp
from sqlalchemy import ForeignKeyConstraint

from core.migrations.authoring.changes import Change

Tables = dict[str, list[Change]]


@dataclass(frozen=True, slots=True)
class Step:
    """What one function of the migration does, and what the function is called."""

    name: str
    changes: Sequence[Change]


def steps(changes: Iterable[Change], *, of_core: Collection[str]) -> list[Step]:
    """The changes in an order that PostgreSQL can follow."""
    types: list[Change] = []
    tables: Tables = {}
    dropped: list[Change] = []
    for change in changes:
        if change.table is None:
            types.append(change)
        elif isinstance(change.operation, DropTableOp):
            dropped.append(change)
        else:
            tables.setdefault(change.table, []).append(change)
    closing = [each for name in tables for each in _take_circular(tables[name])]
    order = _order(tables, of_core, closing)
    found = [
        Step("types", types),
        *(Step(f"core_{name}" if name in of_core else name, tables[name]) for name in order),
        Step("foreign_keys", closing),
        Step("dropped_tables", _drops(dropped)),
    ]
    return [step for step in found if step.changes]


def _take_circular(changes: list[Change]) -> list[Change]:
    """Takes the foreign keys that close a circle out of the tables that are created with them."""
    taken: list[Change] = []
    for position, change in enumerate(changes):
        if isinstance(change.operation, CreateTableOp):
            created = copy(change.operation)
            created.columns = [each for each in created.columns if not _is_circular(each)]
            changes[position] = Change(change.table, created)
            taken += [
                Change(change.table, AddConstraintOp.from_constraint(each))
                for each in change.operation.columns
                if _is_circular(each)
            ]
    return taken


def _is_circular(item: Any) -> TypeGuard[ForeignKeyConstraint]:
    return isinstance(item, ForeignKeyConstraint) and item.use_alter


def _order(tables: Tables, of_core: Collection[str], closing: list[Change]) -> list[str]:
    created = {name for name, changes in tables.items() if any(_is(each, CreateTableOp) for each in changes)}
    needed = {name: {table for each in tables[name] for table in _referred(each)} & tables.keys() for name in tables}
    waiting = sorted(tables, key=lambda name: name in of_core)
    done: list[str] = []
    while waiting:
        free = [name for name in waiting if needed[name] <= {name, *done}]
        # Existing tables that refer to each other: the keys between them wait until both are done.
        name = free[0] if free else next(each for each in waiting if needed[each] & created <= {each, *done})
        late = [each for each in tables[name] if _is(each, CreateForeignKeyOp) and _referred(each) - {name, *done}]
        closing += [each for each in late if not free]
        tables[name] = [each for each in tables[name] if each not in closing]
        waiting.remove(name)
        done.append(name)
    return done


def _referred(change: Change) -> set[str]:
    operation: Any = change.operation
    if isinstance(operation, CreateForeignKeyOp):
        return {operation.referent_table}
    return {key.referred_table.name for key in _foreign_keys(operation)} if _is(change, CreateTableOp) else set()


def _foreign_keys(created: CreateTableOp) -> list[ForeignKeyConstraint]:
    return [each for each in created.columns if isinstance(each, ForeignKeyConstraint)]


def _drops(dropped: Sequence[Change]) -> list[Change]:
    """What refers to a table goes before it; keys that make a circle, before both."""
    keys = {str(change.table): _foreign_keys(_reverse(change)) for change in dropped}
    remaining = list(dropped)
    ordered: list[Change] = []
    while remaining:
        free = [each for each in remaining if not _keys_to(each, keys)]
        change = free[0] if free else remaining[0]
        for key in _keys_to(change, keys):
            table = key.table.name
            ordered.append(Change(table, DropConstraintOp(str(key.name), table, "foreignkey")))
            keys[table].remove(key)
        del keys[str(change.table)]
        remaining.remove(change)
        ordered.append(change)
    return ordered


def _keys_to(change: Change, keys: dict[str, list[ForeignKeyConstraint]]) -> list[ForeignKeyConstraint]:
    others = (each for name, each in keys.items() if name != change.table)
    return [key for each in others for key in each if key.referred_table.name == change.table]


def _reverse(change: Change) -> CreateTableOp:
    operation: Any = change.operation
    return operation.reverse()


def _is(change: Change, kind: type) -> bool:
    return isinstance(change.operation, kind)
