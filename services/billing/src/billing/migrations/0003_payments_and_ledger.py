"""Payments, the sandbox's own books, and a ledger that is only added to."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003_payments_and_ledger"
down_revision = "0002_subscriptions_and_invoices"


def upgrade(op: Operations) -> None:
    """Creates them."""
    _create_payments(op)
    _create_ledger(op)
    for statement in _LEDGER:
        op.execute(statement)


def _create_payments(op: Operations) -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("payment_method_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decline_code", sa.Text()),
        sa.Column("request_key", sa.Uuid()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('processing', 'succeeded', 'failed', 'requires_action')", name=op.f("ck_payments_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payments_amount")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_payments_invoice_id_invoices")),
        sa.ForeignKeyConstraint(
            ["payment_method_id"], ["payment_methods.id"], name=op.f("fk_payments_payment_method_id_payment_methods")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("request_key", name=op.f("uq_payments_request_key")),
    )
    op.create_index(op.f("ix_payments_invoice_id_created_at"), "payments", ["invoice_id", "created_at"])
    op.create_index(op.f("ix_payments_payment_method_id"), "payments", ["payment_method_id"])
    op.create_index(
        "uq_payments_processing",
        "payments",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_table(
        "sandbox_charges",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decline_code", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_sandbox_charges")),
    )
    op.create_index(op.f("ix_sandbox_charges_reference"), "sandbox_charges", ["reference"])


def _create_ledger(op: Operations) -> None:
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("kind", "source", name=op.f("uq_ledger_transactions_kind_source")),
    )
    op.create_index(op.f("ix_ledger_transactions_created_at_id"), "ledger_transactions", ["created_at", "id"])
    op.create_table(
        "ledger_entries",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_ledger_entries_amount")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_ledger_entries_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_entries_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", "position", name=op.f("pk_ledger_entries")),
    )
    op.create_index(op.f("ix_ledger_entries_account_currency"), "ledger_entries", ["account", "currency"])
    op.create_index(op.f("ix_ledger_entries_customer_id_account"), "ledger_entries", ["customer_id", "account"])


# The ledger is added to, never changed, and each transaction balances in each currency when it commits.
_LEDGER = (
    """
    CREATE FUNCTION keep_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION keep_ledger()
        """
        for table in ("ledger_transactions", "ledger_entries")
    ),
    """
    CREATE FUNCTION check_ledger_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        posting CONSTANT uuid := to_jsonb(NEW) ->> TG_ARGV[0];
    BEGIN
        IF (SELECT count(*) FROM ledger_entries WHERE transaction_id = posting) < 2 OR EXISTS (
            SELECT FROM ledger_entries WHERE transaction_id = posting GROUP BY currency HAVING sum(amount_minor) <> 0
        ) THEN
            RAISE EXCEPTION 'ledger transaction % does not balance', posting
            USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"""
        CREATE CONSTRAINT TRIGGER balances AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION check_ledger_balance('{column}')
        """
        for table, column in (("ledger_transactions", "id"), ("ledger_entries", "transaction_id"))
    ),
)
