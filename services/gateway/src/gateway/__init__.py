"""Every installed service in one process, for local development."""
