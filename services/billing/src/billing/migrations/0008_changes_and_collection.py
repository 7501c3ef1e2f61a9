"""What a customer has in credit, how subscriptions change, and how invoices are collected again.

The release before this one runs on this schema, too. Of large tables, it reads that of subscriptions alone: what
reads others is in 0012, where everybody may write meanwhile.
"""

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision = "0008_changes_and_collection"
down_revision = "0007_closed_customers"

_INSTANT = sa.DateTime(timezone=True)
_ZERO = sa.text("0")


def upgrade(op: Operations) -> None:
    """Creates them."""
    _keep_balances(op)
    _change_subscriptions(op)
    _keep_changes(op)
    _collect_invoices(op)
    for statement in _DOCUMENTS:
        op.execute(statement)


def _keep_balances(op: Operations) -> None:
    op.add_column("customers", sa.Column("balance_minor", sa.BigInteger(), server_default=_ZERO, nullable=False))
    op.create_check_constraint(
        op.f("ck_customers_balance"), "customers", "balance_minor >= 0", postgresql_not_valid=True
    )
    op.create_table(
        "balance_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_balance_transactions_amount")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_balance_transactions_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_transactions")),
        sa.UniqueConstraint("kind", "source", name=op.f("uq_balance_transactions_kind_source")),
    )
    op.create_index(
        op.f("ix_balance_transactions_customer_id_created_at_id"),
        "balance_transactions",
        ["customer_id", "created_at", "id"],
    )


def _change_subscriptions(op: Operations) -> None:
    for column in (
        sa.Column("cancel_at_period_end", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("next_price_id", sa.Uuid()),
        sa.Column("next_quantity", sa.BigInteger()),
        sa.Column("covered_net_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("covered_tax_rate", sa.Numeric(), server_default=_ZERO, nullable=False),
        sa.Column("covered_from", _INSTANT),
        sa.Column("covered_until", _INSTANT),
    ):
        op.add_column("subscriptions", column)
    op.create_foreign_key(
        op.f("fk_subscriptions_next_price_id_prices"), "subscriptions", "prices", ["next_price_id"], ["id"]
    )
    op.create_index(op.f("ix_subscriptions_created_at_id"), "subscriptions", ["created_at", "id"])
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["current_period_end", "id"],
        postgresql_where=sa.text("status IN ('trialing', 'active')"),
    )
    op.create_index(
        "ix_subscriptions_incomplete",
        "subscriptions",
        ["created_at", "id"],
        postgresql_where=sa.text("status = 'incomplete'"),
    )


def _keep_changes(op: Operations) -> None:
    op.create_table(
        "subscription_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("request_key", sa.Uuid(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_subscription_changes_subscription_id_subscriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_changes")),
        sa.UniqueConstraint("request_key", name=op.f("uq_subscription_changes_request_key")),
    )
    op.create_index(op.f("ix_subscription_changes_subscription_id"), "subscription_changes", ["subscription_id"])
    op.create_table(
        "pending_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("unit_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(), nullable=False),
        sa.Column("period_start", _INSTANT, nullable=False),
        sa.Column("period_end", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_pending_items_subscription_id_subscriptions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_items")),
    )
    op.create_index(op.f("ix_pending_items_subscription_id"), "pending_items", ["subscription_id"])


def _collect_invoices(op: Operations) -> None:
    for column in (
        sa.Column("reason", sa.Text(), server_default="subscription_create", nullable=False),
        sa.Column("balance_applied_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("credited_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("credited_net_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("credited_tax_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("first_failed_at", _INSTANT),
        sa.Column("next_attempt_at", _INSTANT),
    ):
        op.add_column("invoices", column)
    op.create_check_constraint(
        op.f("ck_invoices_reason"),
        "invoices",
        "reason IN ('subscription_create', 'subscription_cycle', 'subscription_update', 'manual')",
        postgresql_not_valid=True,
    )
    op.create_check_constraint(
        op.f("ck_invoices_remaining"),
        "invoices",
        "amount_paid_minor + credited_minor <= amount_due_minor",
        postgresql_not_valid=True,
    )
    for column in (
        sa.Column("automatic", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default=_ZERO, nullable=False),
    ):
        op.add_column("payments", column)
    op.add_column("payment_methods", sa.Column("removed_at", _INSTANT))
    op.create_check_constraint(
        op.f("ck_payments_refunded"),
        "payments",
        "refunded_minor BETWEEN 0 AND amount_minor",
        postgresql_not_valid=True,
    )
    op.add_column("sandbox_charges", sa.Column("fee_minor", sa.BigInteger(), server_default=_ZERO, nullable=False))


# Of a finalized invoice, what happens to it may move; a price and what was written on a balance never change.
_DOCUMENTS = (
    """
    CREATE OR REPLACE FUNCTION keep_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moving CONSTANT text[] := ARRAY[
            'status', 'amount_paid_minor', 'credited_minor', 'credited_net_minor', 'credited_tax_minor', 'paid_at',
            'sequence', 'attempts', 'first_failed_at', 'next_attempt_at'
        ];
    BEGIN
        IF OLD.status = 'draft' THEN
            RETURN coalesce(NEW, OLD);
        END IF;
        IF TG_OP = 'UPDATE' AND NEW.status <> 'draft' AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'invoice % is finalized', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE FUNCTION keep_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a row of % never changes', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION keep_unchanged()
        """
        for table in ("prices", "balance_transactions")
    ),
)
