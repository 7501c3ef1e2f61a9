"""The one kind of failure of this package."""


class LocalError(Exception):
    """Something on this machine is in the way: one sentence that says what, where, and where possible what to do."""
