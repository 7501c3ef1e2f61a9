"""The keys that sign access tokens, and those who verify them find here."""
