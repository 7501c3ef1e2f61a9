"""What an operator compares at a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from billing.reconciliation.dependencies import build
from billing.reconciliation.service import BEGINNING, Report
from core.cli import application_of, run_opened

Since = Annotated[datetime | None, typer.Option(help="Only what was begun at this instant (UTC) or later.")]


def reconcile(context: typer.Context, since: Since = None) -> None:
    """Compare the provider's books with payments, refunds and the ledger; exit code 1 if they differ."""
    instant = BEGINNING if since is None else since.replace(tzinfo=UTC)
    report = run_opened(application_of(context.obj), lambda resources: build(resources).run(instant))
    for line in lines(report):
        typer.echo(line)
    raise typer.Exit(1 if report.found else 0)


def lines(report: Report) -> Iterator[str]:
    """The report as it is read: sums by currency in minor units, each difference, and how many there are."""
    rows = [("currency", "provider", "payments", "ledger")]
    for currency, totals in sorted(report.totals.items()):
        rows.append((currency, str(totals.provider_minor), str(totals.payments_minor), str(totals.ledger_minor)))
    yield from (f"{first:<10}{'  '.join(f'{amount:>16}' for amount in amounts)}" for first, *amounts in rows)
    for each in report.differences:
        yield f"{each.what:<14}  {each.about}  provider: {each.theirs}  ours: {each.ours}"
    if report.found > len(report.differences):
        yield f"and {report.found - len(report.differences)} more"
    yield (
        f"{report.compared} compared, {report.healed} healed, {report.under_way} under way,"
        f" {report.found} {'difference' if report.found == 1 else 'differences'}"
    )
