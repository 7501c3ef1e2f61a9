"""What a person did wrong, or a machine lacks, is one sentence on stderr and an exit code; never a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import DomainError
from core.lifespan import StartupError
from core.migrations import MigrationError
from core.redaction import redact
from core.server import EXIT_STARTUP, ListenError
from core.settings import EX_CONFIG, ConfigurationError


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turns the failures that have a sentence into that sentence and an exit code other than 0."""
    try:
        yield
    except ConfigurationError as failed:
        # It hides its secrets itself, and shows examples that look like some.
        sys.stderr.write(f"{failed}\n")
        raise SystemExit(EX_CONFIG) from None
    except StartupError as failed:
        _fail(str(failed), EXIT_STARTUP)
    except (ListenError, MigrationError, DomainError) as failed:
        _fail(str(failed), 1)
    except _local_errors() as failed:
        _fail(str(failed), 1)


def _local_errors() -> tuple[type[Exception], ...]:
    # core.local is an extra: an image has none of it.
    try:
        from core.local.errors import LocalError
    except ImportError:
        return ()
    return (LocalError,)


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"{redact(sentence)}\n")
    raise SystemExit(code) from None
