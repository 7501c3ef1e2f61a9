"""A service that the gateway knows nothing of but its entry point."""
