"""Money: catalog, subscriptions, invoices, payments, ledger."""
