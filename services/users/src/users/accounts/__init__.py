"""Who exists: registration, proof of an address, passwords, roles."""
