"""How somebody becomes a user: registration, and the proof of an address."""
