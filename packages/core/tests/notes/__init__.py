"""A service written from docs/service.md alone: pages of text, kept in folders."""
