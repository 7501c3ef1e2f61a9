"""The schema of tea."""
