"""Adds what a slice announces, handles and tells again to the tables on the page of its service."""

import re
from pathlib import Path

from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import TEMPLATE, WORDS, Names

# A section that has a table, up to its last row.
SECTION = re.compile(r"^## (?P<heading>.+)\n\n(?P<head>\|.+\n\|[-|]+\n)(?P<rows>(?:\|.+\n)+)", re.MULTILINE)


def add_rows(page: Path, names: Names) -> None:
    """Adds the rows of the template's tables, with the table where there is none of its heading.

    Raises:
        Refused: there is no such page.
    """
    if not page.exists():
        raise Refused(f"{page} is not there: write it first, with what the service is for.")
    # With the line ends of whoever wrote it.
    text = page.read_bytes().decode()
    end = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    for section in SECTION.finditer((TEMPLATE / "README.md").read_text()):
        # A row without a name of the slice is the service's, which has it already, or has not what it tells of.
        rows = "".join(row for row in section["rows"].splitlines(keepends=True) if WORDS.search(row))
        text = _added(text, names.put(section["heading"]), section["head"], names.put(rows))
    page.write_bytes(text.replace("\n", end).encode())


def _added(text: str, title: str, head: str, new: str) -> str:
    heading = re.search(rf"^## {re.escape(title)}\n", text, re.MULTILINE)
    if heading is None:
        return f"{text.rstrip()}\n\n## {title}\n\n{head}{new}"
    below = text[heading.end() :].partition("\n## ")[0]
    rows = list(re.finditer(r"^\|.*\n", below, re.MULTILINE))
    if not rows:
        return f"{text[: heading.end()]}\n{head}{new}{text[heading.end() :]}"
    last = heading.end() + rows[-1].end()
    return text[:last] + new + text[last:]
