"""How what is owed is collected: a payment begins, the provider is asked, what it says is written."""
