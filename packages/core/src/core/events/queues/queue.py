"""A table as a queue: which of its rows are whose turn, and how a turn ends; every statement is built once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    Interval,
    Subquery,
    Table,
    Text,
    Update,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, INTEGER
from sqlalchemy.sql.dml import ReturningUpdate

from core.events.tables import inbox, outbox


@dataclass(frozen=True, eq=False)
class Queue:
    """Rows that are done once `done_at` is set; order holds among those that are equal in the columns of `lane`."""

    table: Table
    done_at: Column[Any]
    lane: tuple[Column[Any], ...]
    # Which rows its user can work on; to it, the others are not there.
    where: Callable[[FromClause], ColumnElement[bool]] = lambda _: true()

    def is_open(self, rows: FromClause) -> ColumnElement[bool]:
        """Whether a row is neither done nor given up."""
        return and_(rows.c[self.done_at.name].is_(None), rows.c.dead_at.is_(None))

    @cached_property
    def claim(self) -> ReturningUpdate[Any]:
        """Takes the first `most` rows that are due and nobody holds, without a gap in any lane, for `lease`.

        Fewer if they are large: what is taken after the first `bytes` waits for the next claim.
        """
        table, stuck = self.table, self._stuck
        candidates = (
            select(table.c.position, *self.lane, _data_bytes(table).label("data_bytes"))
            .where(
                self.is_open(table),
                table.c.due_at <= func.now(),
                # Of what another replica has taken since `stuck` was read, only this is looked at again.
                or_(table.c.leased_until.is_(None), table.c.leased_until < func.now()),
                # What is stuck must not fill the places of others. Hashed, whatever the statistics say: a queue is
                # mostly empty when they are made.
                tuple_(*self.lane).not_in(select(*stuck.c)),
                self.where(table),
            )
            .order_by(table.c.position)
            .limit(bindparam("most", type_=INTEGER))
            .with_for_update(skip_locked=True)
            # Not a subquery, which a plan may run again for each row, beyond its limit.
            .cte("candidates")
            .prefix_with("MATERIALIZED")
        )
        gapless = self._gapless(candidates)
        fits = gapless.c.bytes_before < bindparam("bytes", type_=BIGINT)
        return (
            update(table)
            .where(table.c.position.in_(select(gapless.c.position).where(~gapless.c.follows_a_gap, fits)))
            .values(leased_until=func.now() + bindparam("lease", type_=Interval), attempts=table.c.attempts + 1)
            # Every end of a claim takes the lease away: what has an old one was left by a replica that died.
            .returning(table, literal_column("old.leased_until IS NOT NULL", Boolean).label("is_taken_over"))
        )

    @property
    def _stuck(self) -> CTE:
        """The lanes of which a row is leased, or failed and is due later; what is delayed holds nobody back."""
        table = self.table
        return (
            select(*self.lane)
            .where(
                self.is_open(table),
                _was_claimed(table),
                or_(table.c.leased_until >= func.now(), table.c.due_at > func.now()),
            )
            .cte("stuck")
            .prefix_with("MATERIALIZED")
        )

    def _gapless(self, candidates: CTE) -> Subquery:
        # Another replica may be taking an earlier row at this moment: its lease is not seen, but its row is not ours.
        lane = [candidates.c[column.name] for column in self.lane]
        order = {"partition_by": lane, "order_by": candidates.c.position}
        before = func.coalesce(func.lag(candidates.c.position).over(**order), 0)
        follows = select(*candidates.c, before.label("before")).subquery("follows")
        skipped = self.table.alias("skipped")
        here = [follows.c[column.name] for column in self.lane]
        has_gap = exists().where(
            self._same_lane(skipped, follows),
            skipped.c.position > follows.c.before,
            skipped.c.position < follows.c.position,
            skipped.c[self.done_at.name].is_(None),
            # In words for which the index of all that is open does not fit: a planner whose statistics show an empty
            # queue would take it for as small as that of lanes, and read all of it for each row.
            func.num_nulls(skipped.c.dead_at) == 1,
            or_(skipped.c.due_at <= func.now(), _was_claimed(skipped)),
            self.where(skipped),
        )
        order = {"partition_by": here, "order_by": follows.c.position}
        bytes_through = func.sum(follows.c.data_bytes).over(order_by=follows.c.position)
        return select(
            follows.c.position,
            func.bool_or(has_gap).over(**order).label("follows_a_gap"),
            (bytes_through - follows.c.data_bytes).label("bytes_before"),
        ).subquery("gapless")

    @cached_property
    def succeed(self) -> Update:
        """The claims named by `positions` and `attempted` are done."""
        return self._end(leased_until=None, **{self.done_at.name: func.now()}, last_error=None)

    @cached_property
    def retry(self) -> Update:
        """They are due again after `pause`; of their attempts, so many are `uncounted`."""
        due_at = func.now() + bindparam("pause", type_=Interval)
        attempts = self.table.c.attempts - bindparam("uncounted", type_=INTEGER)
        told = bindparam("failure", type_=Text)
        return self._end(leased_until=None, due_at=due_at, attempts=attempts, last_error=told)

    @cached_property
    def give_up(self) -> Update:
        """They are dead; `failure` is the last one, if anybody lived to tell it."""
        told = func.coalesce(bindparam("failure", type_=Text), self.table.c.last_error)
        return self._end(leased_until=None, dead_at=func.now(), last_error=told)

    @cached_property
    def give_back(self) -> Update:
        """They are as if nobody had claimed them; those of `taken_over` have a lease that ran out, as before."""
        was_taken_over = self.table.c.position == any_(bindparam("taken_over", type_=ARRAY(BIGINT)))
        leased_until = case((was_taken_over, func.now()), else_=null())
        return self._end(leased_until=leased_until, attempts=self.table.c.attempts - 1)

    def _end(self, **values: Any) -> Update:
        claims = (
            func.unnest(bindparam("positions", type_=ARRAY(BIGINT)), bindparam("attempted", type_=ARRAY(INTEGER)))
            .table_valued("position", "attempts")
            .render_derived(name="claims")
        )
        # An attempt that was taken over is another one's by now.
        mine = (self.table.c.position == claims.c.position, self.table.c.attempts == claims.c.attempts)
        return update(self.table).where(*mine, self.is_open(self.table)).values(**values)

    def _same_lane(self, rows: FromClause, others: FromClause) -> ColumnElement[bool]:
        return and_(*(rows.c[column.name] == others.c[column.name] for column in self.lane))


def _data_bytes(rows: FromClause) -> ColumnElement[int]:
    # As text, which is what is sent; what is not compressed need not be read for that.
    stored, sent = func.pg_column_size(rows.c.data), func.octet_length(cast(rows.c.data, Text))
    return case((func.pg_column_compression(rows.c.data).is_(None), stored), else_=sent)


def _was_claimed(rows: FromClause) -> ColumnElement[bool]:
    # As it stands in the index: a plan for any value cannot use that.
    return rows.c.attempts > literal_column("0")


OUTBOX = Queue(outbox, outbox.c.sent_at, (outbox.c.subject,))
INBOX = Queue(inbox, inbox.c.handled_at, (inbox.c.consumer, inbox.c.subject))
