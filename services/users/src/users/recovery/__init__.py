"""A new password, for who knows the old one and for who has forgotten it."""
