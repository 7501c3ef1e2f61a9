"""Runs pytest and writes down which files it opens: `python opened.py REPORT OPTION…`."""

import sys
from pathlib import Path

import pytest


def main(report: str, *options: str) -> int:
    """The exit code of pytest."""
    opened: set[str] = set()

    def record(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            opened.add(arguments[0])

    sys.addaudithook(record)
    code = pytest.main(list(options))
    Path(report).write_text("\0".join(opened))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
