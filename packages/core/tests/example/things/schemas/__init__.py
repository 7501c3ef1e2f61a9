"""Things on the wire: a module for each version, over one table."""
