"""Identity: accounts, sessions, tokens, roles."""
