"""Whether the books of the provider, our payments and the ledger say the same."""
