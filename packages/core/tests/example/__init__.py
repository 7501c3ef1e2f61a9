"""The smallest whole service: one resource, written only from the docs."""
