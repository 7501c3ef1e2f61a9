"""Machine clients, and how they get access tokens (OAuth 2.0)."""
