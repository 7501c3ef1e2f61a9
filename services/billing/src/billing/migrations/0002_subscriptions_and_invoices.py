"""Subscriptions, invoices and their numbers; a finalized invoice does not change."""

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision = "0002_subscriptions_and_invoices"
down_revision = "0001_catalog_and_customers"


def upgrade(op: Operations) -> None:
    """Creates them."""
    _create_subscriptions(op)
    _create_invoices(op)
    _create_invoice_lines(op)
    for statement in _FINALIZED_INVOICES:
        op.execute(statement)


def _create_subscriptions(op: Operations) -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("payment_method_id", sa.Uuid()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("anchor_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("current_period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_key", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled')",
            name=op.f("ck_subscriptions_status"),
        ),
        sa.CheckConstraint("current_period_start < current_period_end", name=op.f("ck_subscriptions_period")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_subscriptions_quantity")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_subscriptions_customer_id_customers")),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_methods.id"],
            name=op.f("fk_subscriptions_payment_method_id_payment_methods"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_subscriptions_plan_id_plans")),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name=op.f("fk_subscriptions_price_id_prices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("request_key", name=op.f("uq_subscriptions_request_key")),
    )
    op.create_index(
        op.f("ix_subscriptions_customer_id_created_at_id"), "subscriptions", ["customer_id", "created_at", "id"]
    )
    op.create_index(
        "uq_subscriptions_live",
        "subscriptions",
        ["customer_id", "plan_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('incomplete', 'trialing', 'active', 'past_due')"),
    )


def _create_invoices(op: Operations) -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("number", sa.Text()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_due_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seller", postgresql.JSONB()),
        sa.Column("buyer", postgresql.JSONB()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finalized_at", sa.DateTime(timezone=True)),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(status = 'draft') = (number IS NULL)", name=op.f("ck_invoices_number")),
        sa.CheckConstraint(
            "status IN ('draft', 'open', 'paid', 'void', 'uncollectible')", name=op.f("ck_invoices_status")
        ),
        sa.CheckConstraint("amount_paid_minor BETWEEN 0 AND amount_due_minor", name=op.f("ck_invoices_amount_paid")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_invoices_customer_id_customers")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_invoices_subscription_id_subscriptions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
    )
    op.create_index(op.f("ix_invoices_customer_id_created_at_id"), "invoices", ["customer_id", "created_at", "id"])
    op.create_index(
        op.f("ix_invoices_subscription_id_created_at_id"), "invoices", ["subscription_id", "created_at", "id"]
    )


def _create_invoice_lines(op: Operations) -> None:
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("unit_amount", sa.Numeric(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("proration", sa.Boolean(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_lines_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
    )
    op.create_index(op.f("ix_invoice_lines_invoice_id"), "invoice_lines", ["invoice_id"])
    op.create_table(
        "invoice_series",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("year", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "year", name=op.f("pk_invoice_series")),
    )


# A finalized invoice is a document: only its payment state moves, and its lines not at all.
_FINALIZED_INVOICES = (
    """
    CREATE FUNCTION keep_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moving CONSTANT text[] := ARRAY['status', 'amount_paid_minor', 'paid_at', 'sequence'];
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
    CREATE TRIGGER keep_finalized BEFORE UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION keep_finalized_invoice()
    """,
    """
    CREATE FUNCTION keep_finalized_lines() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        invoice_status text;
    BEGIN
        -- FOR SHARE: nobody finalizes the invoice between this look at it and the commit of the line.
        FOR invoice_status IN
            SELECT status FROM invoices WHERE id IN (OLD.invoice_id, NEW.invoice_id) FOR SHARE
        LOOP
            IF invoice_status <> 'draft' THEN
                RAISE EXCEPTION 'the lines of a finalized invoice do not change'
                USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END LOOP;
        RETURN coalesce(NEW, OLD);
    END $$
    """,
    """
    CREATE TRIGGER keep_finalized BEFORE INSERT OR UPDATE OR DELETE ON invoice_lines
    FOR EACH ROW EXECUTE FUNCTION keep_finalized_lines()
    """,
)
