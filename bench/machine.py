"""This machine: what it is called in the table, and which of its processors does what."""

import os
import platform
import sys
from importlib.metadata import version

LIBRARIES = ("fastapi", "starlette", "pydantic", "uvicorn", "sqlalchemy", "asyncpg")


def described() -> str:
    """One line, without a name or a path."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {cores} processors, Python {python}; {versions}"


def stay_on(*, last: bool) -> bool:
    """Keeps this process, and those it starts, on one processor; False where that cannot be."""
    if sys.platform != "linux":
        return False
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[-1 if last else 0]})
    return len(processors) > 1
