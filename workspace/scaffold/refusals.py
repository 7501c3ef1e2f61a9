"""What stops a command, told to whoever runs it."""


class Refused(Exception):
    """The command does nothing; the text is one sentence that says why, and what to do."""
