"""Who exists: registration, addresses and their proof, roles."""
