"""Fills, checks and indexes the tables that may be large, while others read and write them.

The release before this one runs on this schema, too. Asked again after a failure, it does all of it again.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0012_large_tables"
down_revision = "0011_subscriptions_that_end"


def upgrade(op: Operations) -> None:
    """Does so; the indexes one after another, outside of a transaction."""
    op.execute(_COVERED)
    for table, check in _CHECKS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
    with op.get_context().autocommit_block():
        for name, table, columns, more in _INDEXES:
            # One that failed has left an index that nobody uses.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_concurrently=True, **more)


# What the running period of a subscription was bought for.
_COVERED = """
UPDATE subscriptions s
SET covered_net_minor = l.net_minor, covered_tax_rate = l.tax_rate,
    covered_from = l.period_start, covered_until = l.period_end
FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id
WHERE i.subscription_id = s.id AND l.period_end = s.current_period_end AND s.covered_until IS NULL
"""
_CHECKS = (
    ("customers", "ck_customers_balance"),
    ("invoices", "ck_invoices_reason"),
    ("invoices", "ck_invoices_remaining"),
    ("payments", "ck_payments_refunded"),
)
# One invoice a period, whoever bills it.
_OF_PERIODS = {"unique": True, "postgresql_where": sa.text("reason = 'subscription_cycle'")}
_OF_RETRIES = {"postgresql_where": sa.text("next_attempt_at IS NOT NULL")}
_INDEXES: tuple[tuple[str, str, list[str], dict[str, Any]], ...] = (
    ("ix_customers_created_at_id", "customers", ["created_at", "id"], {}),
    ("uq_invoices_period", "invoices", ["subscription_id", "period_start"], _OF_PERIODS),
    ("ix_invoices_created_at_id", "invoices", ["created_at", "id"], {}),
    ("ix_invoices_next_attempt", "invoices", ["next_attempt_at", "id"], _OF_RETRIES),
    ("ix_payments_created_at_id", "payments", ["created_at", "id"], {}),
    ("ix_payments_status_created_at_id", "payments", ["status", "created_at", "id"], {}),
    ("ix_ledger_transactions_kind_created_at_id", "ledger_transactions", ["kind", "created_at", "id"], {}),
    ("ix_ledger_transactions_source", "ledger_transactions", ["source"], {}),
)
