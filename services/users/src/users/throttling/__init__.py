"""How often somebody may try a password of one account."""
