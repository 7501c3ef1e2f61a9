"""docs/threat-model.md names tests that there are, and has a row for every item of ASVS 5.0 that it is about."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
CODE = ("packages/core", "services/users", "tests/system")

# The items of ASVS 5.0 in V6 to V9, 10.3 and 10.4, by their level.
ITEMS = {
    1: "6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 7.2.1 7.2.2 7.2.3 7.2.4 7.4.1"
    " 7.4.2 8.1.1 8.2.1 8.2.2 8.3.1 9.1.1 9.1.2 9.1.3 9.2.1 10.4.1 10.4.2 10.4.3 10.4.4 10.4.5",
    2: "6.1.2 6.1.3 6.2.9 6.2.10 6.2.11 6.2.12 6.3.3 6.3.4 6.4.3 6.4.4 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.6.1 6.6.2 6.6.3"
    " 6.8.1 6.8.2 6.8.3 6.8.4 7.1.1 7.1.2 7.1.3 7.3.1 7.3.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.6.1 7.6.2 8.1.2 8.2.3"
    " 8.4.1 9.2.2 9.2.3 9.2.4 10.3.1 10.3.2 10.3.3 10.3.4 10.4.6 10.4.7 10.4.8 10.4.9 10.4.10 10.4.11",
    3: "6.3.5 6.3.6 6.3.7 6.3.8 6.4.5 6.4.6 6.5.6 6.5.7 6.5.8 6.6.4 6.7.1 6.7.2 7.5.3 8.1.3 8.1.4 8.2.4 8.3.2 8.3.3"
    " 8.4.2 10.3.5 10.4.12 10.4.13 10.4.14 10.4.15 10.4.16",
}
LEVELS = {item: level for level, items in ITEMS.items() for item in items.split()}
ROWS = [tuple(row.split(" | ")) for row in re.findall(r"^\| (\d+\.\d+\.\d+.*) \|$", PAGE, re.MULTILINE)]
# Where a test may be, by how the page calls it.
PLACES = dict(re.findall(r"^\| `(\w+)` \| ([\w/]+) \|$", PAGE, re.MULTILINE))
TEST = re.compile(r"`(\w+)/([\w/]+\.py)::(\w+)`")
BY_OTHER_MEANS = ("this page", "by absence")


@cache
def functions_of(path: Path) -> set[str]:
    """The functions of a module, those of its classes included."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def items_of(row: tuple[str, ...]) -> list[str]:
    return row[0].split(", ")


def paths_of(cell: str) -> set[Path]:
    return {ROOT / PLACES[place] / path for place, path, _ in TEST.findall(cell)}


def test_every_item_has_one_row_with_its_level():
    told = Counter(item for row in ROWS for item in items_of(row))
    assert LEVELS.keys() <= told.keys()
    assert set(told.values()) == {1}
    assert {item: int(row[1]) for row in ROWS for item in items_of(row)}.items() >= LEVELS.items()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_met_says_how_and_what_shows_it(row):
    _, level, met, how, *shown = row
    assert level in {"1", "2", "3"}
    assert met in {"yes", "partly", "no", "n/a"}
    assert how
    if met in {"yes", "partly"}:
        assert TEST.search(shown[0]) or shown[0] in BY_OTHER_MEANS


def test_every_test_that_is_named_is_there():
    named = TEST.findall(PAGE)
    assert len(named) == PAGE.count("::test_")
    lacking = [
        f"{place}/{path}::{name}"
        for place, path, name in named
        if name not in functions_of(ROOT / PLACES[place] / path)
    ]
    assert not lacking, "\n".join(lacking)


def test_code_that_names_an_item_agrees():
    shown = {item: paths_of(row[-1]) for row in ROWS for item in items_of(row)}
    wrong = [
        f"{path.relative_to(ROOT)}: {item}"
        for path in (path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
        for item in items_named_in(path.read_text())
        if item not in shown or (path.name.startswith("test_") and path not in shown[item])
    ]
    assert not wrong, "\n".join(wrong)


def items_named_in(text: str) -> list[str]:
    named = re.findall(r"ASVS (?:5\.0, )?(\d+\.\d+\.\d+(?:(?:,| and) \d+\.\d+\.\d+)*)", text)
    return re.findall(r"\d+\.\d+\.\d+", " ".join(named))
