"""Who exists: people, their addresses and roles, and whether a password is theirs."""
