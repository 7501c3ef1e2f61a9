"""What a migration may not do to a database that others use, found before it runs."""
