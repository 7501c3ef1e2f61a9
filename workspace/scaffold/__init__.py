"""Adds services and slices to the workspace from one template, and removes them."""
