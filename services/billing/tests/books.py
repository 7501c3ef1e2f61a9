"""What holds of the books at every commit, as queries on the database."""

import asyncpg

from core.ids import format_id, parse_id

# Each query finds what spoils the books.
SPOILED = {
    "all entries of a currency sum to zero": """
        SELECT currency, sum(amount_minor) FROM ledger_entries GROUP BY currency HAVING sum(amount_minor) <> 0""",
    "a transaction sums to zero in each currency": """
        SELECT transaction_id, currency FROM ledger_entries GROUP BY 1, 2 HAVING sum(amount_minor) <> 0""",
    "a transaction has two entries at least": """
        SELECT t.id FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
        GROUP BY t.id HAVING count(e.*) < 2""",
    "nothing is booked twice": "SELECT kind, source FROM ledger_transactions GROUP BY 1, 2 HAVING count(*) > 1",
    "what is receivable of customers is what remains of their open invoices": """
        SELECT customer_id, r.sum, o.sum FROM (
            SELECT customer_id, sum(amount_minor) FROM ledger_entries WHERE account = 'receivable' GROUP BY 1) r
        FULL JOIN (
            SELECT customer_id, sum(amount_due_minor - amount_paid_minor - credited_minor)
            FROM invoices WHERE status = 'open' GROUP BY 1) o USING (customer_id)
        WHERE coalesce(r.sum, 0) <> coalesce(o.sum, 0)""",
    "what we owe customers is their balance": """
        SELECT c.id, c.balance_minor, e.sum FROM customers c LEFT JOIN (
            SELECT customer_id, sum(amount_minor) FROM ledger_entries WHERE account = 'customer_credit' GROUP BY 1
        ) e ON e.customer_id = c.id WHERE c.balance_minor <> -coalesce(e.sum, 0)""",
    "a balance is the sum of its transactions": """
        SELECT c.id, c.balance_minor, b.sum FROM customers c LEFT JOIN (
            SELECT customer_id, sum(amount_minor) FROM balance_transactions GROUP BY 1
        ) b ON b.customer_id = c.id WHERE c.balance_minor <> coalesce(b.sum, 0)""",
    "numbers have no gap in a series and year": """
        SELECT s.name, s.year, s.last, n.given FROM invoice_series s FULL JOIN (
            SELECT split_part(number, '-', 1) AS name, split_part(number, '-', 2)::int AS year, count(*) AS given,
                max(split_part(number, '-', 3)::int) AS last
            FROM (SELECT number FROM invoices UNION ALL SELECT number FROM credit_notes)
            WHERE number IS NOT NULL GROUP BY 1, 2
        ) n USING (name, year) WHERE s.last IS DISTINCT FROM n.given OR n.last IS DISTINCT FROM n.given""",
    "a line is its quantity times its unit amount, rounded half away from zero": """
        SELECT id FROM invoice_lines WHERE net_minor <> round(quantity * unit_amount)""",
    "an invoice is its lines and their tax, less what the balance has paid": """
        SELECT i.id FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id WHERE i.status <> 'draft' GROUP BY i.id
        HAVING i.subtotal_minor <> sum(l.net_minor) OR i.tax_minor <> sum(l.tax_minor)
            OR i.total_minor <> i.subtotal_minor + i.tax_minor
            OR i.amount_due_minor <> i.total_minor - i.balance_applied_minor""",
    "credit notes come to no more than their invoice, in all and of each line": """
        SELECT i.id FROM credit_notes n JOIN invoices i ON i.id = n.invoice_id GROUP BY i.id
        HAVING sum(n.total_minor) > i.total_minor
            OR (sum(n.subtotal_minor), sum(n.tax_minor)) <> (i.credited_net_minor, i.credited_tax_minor)
        UNION SELECT l.id FROM credit_note_lines c JOIN invoice_lines l ON l.id = c.invoice_line_id GROUP BY l.id
        HAVING sum(c.net_minor) NOT BETWEEN least(l.net_minor, 0) AND greatest(l.net_minor, 0)""",
    "a credit note is its lines and their tax": """
        SELECT n.id FROM credit_notes n JOIN credit_note_lines l ON l.credit_note_id = n.id GROUP BY n.id
        HAVING n.subtotal_minor <> sum(l.net_minor) OR n.tax_minor <> sum(l.tax_minor)""",
    "the tax of a rate is rounded once, over all credit notes of an invoice": """
        SELECT n.invoice_id FROM credit_notes n JOIN credit_note_lines l ON l.credit_note_id = n.id
        GROUP BY n.invoice_id, l.tax_rate HAVING sum(l.tax_minor) <> round(l.tax_rate * sum(l.net_minor))""",
    "what is to be given back is what refunds are under way": """
        SELECT customer_id, r.sum, e.sum FROM (
            SELECT customer_id, sum(amount_minor) FROM refunds WHERE status = 'processing' GROUP BY 1) r
        FULL JOIN (
            SELECT customer_id, -sum(amount_minor) AS sum FROM ledger_entries WHERE account = 'refunds_payable'
            GROUP BY 1) e USING (customer_id) WHERE coalesce(r.sum, 0) <> coalesce(e.sum, 0)""",
    "of a payment is given back what its refunds come to": """
        SELECT p.id FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id AND r.status <> 'failed'
        GROUP BY p.id HAVING p.refunded_minor <> coalesce(sum(r.amount_minor), 0)""",
    "the tax of a rate is rounded once": """
        SELECT l.invoice_id FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id WHERE i.status <> 'draft'
        GROUP BY l.invoice_id, l.tax_rate HAVING sum(l.tax_minor) <> round(l.tax_rate * sum(l.net_minor))""",
}

# What came in for a customer's invoices, as we have it, and as the provider has it.
RECEIVED = """
    SELECT p.id, p.amount_minor - p.fee_minor AS amount, c.amount_minor - c.fee_minor AS charged
    FROM payments p JOIN invoices i ON i.id = p.invoice_id FULL JOIN sandbox_charges c ON c.payment_id = p.id
    WHERE i.customer_id = $1 AND (p.status = 'succeeded' OR c.status = 'succeeded')
"""
CLEARING = """
    SELECT coalesce(sum(amount_minor), 0) AS sum
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE account = 'provider_clearing' AND source = ANY($1)
"""


async def assert_unspoiled(database: asyncpg.Connection) -> None:
    """Fails with the rules that do not hold, and the rows that show it."""
    found = {rule: await database.fetch(query) for rule, query in SPOILED.items()}
    assert {rule: records for rule, records in found.items() if records} == {}


async def assert_agreed(database: asyncpg.Connection, customer_id: str) -> None:
    """Fails where payments of a customer, the provider's books and the ledger say otherwise."""
    await assert_unspoiled(database)
    received = await database.fetch(RECEIVED, parse_id("cus", customer_id))
    assert [each["amount"] for each in received] == [each["charged"] for each in received]
    clearing = await database.fetchval(CLEARING, [format_id("pay", each["id"]) for each in received])
    assert clearing == sum(each["amount"] for each in received)
