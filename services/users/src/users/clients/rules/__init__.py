"""Decisions about machine clients: what they are called, what they may do, what proves them."""
