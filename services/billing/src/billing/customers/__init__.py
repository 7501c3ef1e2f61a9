"""Who buys: one customer a user."""
