"""Compares the provider's books with ours: every payment and refund, and what the ledger has of each.

Both are read in pages in the order of time. What one side has and the other has not shown yet waits, by its id: memory
is taken by how far one clock is behind the other and by what really lacks, not by how long the books are.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing.collection.service import Collection
from billing.payments.provider import Movement, Provider
from billing.reconciliation.repository import Position, ReconciliationRepository
from billing.reconciliation.rules import (
    Record,
    differences,
    is_under_way,
    money,
    net_minor,
    stray_posting,
    unknown_here,
    unknown_there,
)
from billing.reconciliation.service.report import Report
from billing.refunds.service import Refunds
from core.clock import Clock, SystemClock
from core.ids import parse_id

PAGE_MAX = 500
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# How far the provider's clock may be behind ours.
_SKEW = timedelta(hours=1)
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Books:
    """Our side, in one transaction."""

    repository: ReconciliationRepository
    collection: Collection
    refunds: Refunds


@dataclass(slots=True)
class _Walk:
    """How far both sides are read, and what waits for its counterpart."""

    report: Report
    # The next page of the provider begins here, by its clock; `ahead` is how far ours is before it.
    theirs_from: datetime
    ahead: timedelta
    ours_after: Position
    theirs_after: UUID | None = None
    # What the provider has and our pages will come to; and what we have, and the provider's will.
    seen: set[UUID] = field(default_factory=set)
    lacking: dict[UUID, Record] = field(default_factory=dict)

    def meet(self, record: Record) -> None:
        """Takes note that the provider has this one."""
        if (record.created_at, record.id) <= self.ours_after:
            self.lacking.pop(record.id, None)
        elif record.status in {"succeeded", "processing"}:
            self.seen.add(record.id)

    def expect(self, record: Record) -> None:
        """Takes note that the provider must have this one."""
        if record.id in self.seen:
            self.seen.remove(record.id)
        else:
            self.lacking[record.id] = record


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Whether the provider, our payments and refunds, and the ledger say the same; `begin` opens a transaction."""

    begin: Callable[[], AbstractAsyncContextManager[Books]]
    provider: Provider
    clock: Clock

    async def run(self, since: datetime = BEGINNING) -> Report:
        """Compares all that was begun since an instant of our clock, and writes what has arrived and was lost.

        Raises:
            Unavailable: the provider cannot be asked right now.
        """
        report = Report(since)
        # The clock of tests may be far ahead of the provider's, and is never set back.
        ahead = max(self.clock.now() - SystemClock().now(), timedelta(0))
        theirs_from = max(since - ahead - _SKEW, BEGINNING)
        walk = _Walk(report, theirs_from, ahead, ours_after=(since, _FIRST))
        are_more_theirs = are_more_ours = True
        while are_more_ours:
            if are_more_theirs and walk.theirs_from + ahead <= walk.ours_after[0]:
                are_more_theirs = await self._read_theirs(walk)
            else:
                are_more_ours = await self._read_ours(walk)
        # To the end, once ours are read: what we know of by now, the provider has booked before.
        while await self._read_theirs(walk):
            pass
        for record in walk.lacking.values():
            _sum(report, record)
            report.add(unknown_there(record))
        await self._read_postings(report)
        async with self.begin() as books:
            report.under_way = await books.repository.under_way()
        return report

    async def _read_theirs(self, walk: _Walk) -> bool:
        """Compares the next page of the provider's; False: it was the last one, for now."""
        lines = await self.provider.list_since(walk.theirs_from, after=walk.theirs_after, limit=PAGE_MAX)
        async with self.begin() as books:
            known = {record.id: record for record in await books.repository.records([line.id for line in lines])}
        for line in lines:
            walk.theirs_from, walk.theirs_after = line.created_at, line.id
            record = known.get(line.id)
            if record is None:
                walk.report.totals[line.currency].provider_minor += net_minor(line)
                walk.report.add(unknown_here(line))
            else:
                walk.meet(record)
                await self._compare(line, record, walk.report)
        return len(lines) == PAGE_MAX

    async def _read_ours(self, walk: _Walk) -> bool:
        async with self.begin() as books:
            records = await books.repository.succeeded(walk.ours_after, limit=PAGE_MAX)
        for record in records:
            walk.ours_after = (record.created_at, record.id)
            walk.expect(record)
        return len(records) == PAGE_MAX

    async def _compare(self, line: Movement, record: Record, report: Report) -> None:
        if line.status != record.status and line.status not in {"unknown", "processing"}:
            line, told = await self._heal(line)
            report.healed += told.status != record.status
            record = told
        report.compared += 1
        for difference in differences(line, record):
            report.add(difference)
        _sum(report, record)
        report.totals[line.currency].provider_minor += 0 if is_under_way(line, record) else net_minor(line)

    async def _heal(self, line: Movement) -> tuple[Movement, Record]:
        """Writes what the provider says by now, as if it had told us; gives how both sides stand then."""
        if line.kind == "charge":
            outcome = await self.provider.fetch(line.id)
            assert outcome is not None  # noqa: S101 - it has just listed it
            async with self.begin() as books:
                await books.collection.settle(await books.collection.payments.payment(line.id), outcome)
            line = replace(line, status=outcome.status, fee_minor=outcome.fee_minor)
        else:
            # Asked again, it gives nothing back, and says what became of it.
            given_back = await self.provider.refund(
                line.id, payment_id=line.payment_id, amount_minor=line.amount_minor, currency=line.currency
            )
            async with self.begin() as books:
                await books.refunds.settle(line.id, given_back)
            line = replace(line, status=given_back.status)
        async with self.begin() as books:
            (record,) = await books.repository.records([line.id])
        return line, record

    async def _read_postings(self, report: Report) -> None:
        """Looks for money on the clearing account that is no payment's or refund's."""
        after, is_full = (report.since, _FIRST), True
        while is_full:
            async with self.begin() as books:
                page = await books.repository.posted(after, limit=PAGE_MAX)
                ids = {posted.source: _id_of(posted.source) for posted in page}
                known = await books.repository.known([each for each in ids.values() if each])
            for posted in page:
                after = (posted.created_at, posted.transaction_id)
                if ids[posted.source] not in known:
                    report.totals[posted.currency].ledger_minor += posted.amount_minor
                    report.add(stray_posting(posted.source, money(posted.amount_minor, posted.currency)))
            is_full = len(page) == PAGE_MAX


def _sum(report: Report, record: Record) -> None:
    totals = report.totals[record.currency]
    totals.payments_minor += net_minor(record)
    totals.ledger_minor += record.booked_minor


def _id_of(source: str) -> UUID | None:
    """The payment or refund that a posting names; None: it names something else."""
    prefix = source.partition("_")[0]
    try:
        return parse_id(prefix, source) if prefix in {"pay", "rfd"} else None
    except ValueError:
        return None
