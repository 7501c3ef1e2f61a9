"""What is billed without a request: periods that end, payments that are tried again, first invoices nobody paid."""
