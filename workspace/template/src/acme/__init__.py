"""Widgets of those who made them."""
