"""The schema of coffee."""
