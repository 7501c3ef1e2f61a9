"""What stops a migration, told to whoever runs it."""


class MigrationError(Exception):
    """The schema cannot be brought up to date, compared or continued; the text says why and what to do."""
