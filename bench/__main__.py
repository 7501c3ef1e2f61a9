"""Measures all groups, or those that are named, and prints tables; `--write` puts them into docs/performance.md."""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime

from bench.figures import Group, Samples
from bench.machine import described
from bench.registry import GROUPS
from bench.report import tables, too_noisy, write

TOO_NOISY = 1
FAILED = 2


def main() -> int:
    """The exit code: 0 says that the figures can be believed, not that the targets are met."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"{', '.join(GROUPS)}; all of them unless some are named")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    asked = parser.parse_args()
    if asked.write and asked.groups:
        parser.error("the page shows all groups: measure all of them to write it")
    if unknown := set(asked.groups) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    groups: list[Group] = []
    measured: list[Samples | None] = []
    for name, group in GROUPS.items():
        if name in (asked.groups or GROUPS):
            sys.stdout.write(f"measuring {name}\n")
            sys.stdout.flush()
            groups.append(group)
            measured.append(_measured(name))
    text = f"{datetime.now(UTC):%Y-%m-%d}, {described()}.\n{tables(groups, measured)}"
    sys.stdout.write(f"\n{text}\n")
    if None in measured:
        return FAILED
    if noisy := too_noisy(groups, measured):
        sys.stdout.write(f"\nToo noisy, so nothing is written: {'; '.join(noisy)}. Is something else running?\n")
        return TOO_NOISY
    if asked.write:
        write(text)
    return 0


def _measured(name: str) -> Samples | None:
    """A process of its own: what one group imports, starts or pins is none of the next one's."""
    command = [sys.executable, "-m", "bench.measure", name]
    measuring = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    return None if measuring.returncode else json.loads(measuring.stdout)


if __name__ == "__main__":
    sys.exit(main())
