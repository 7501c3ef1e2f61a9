"""Holds what docs/operations.md says of compose.yaml against it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ROOT / "compose.yaml", ROOT / "deploy" / "service.yaml"


def test_every_variable_of_compose_has_its_row():
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("\n### With Compose\n")[2].partition("\n### ")[0]
    told = re.findall(r"`([A-Z_]+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)))
    read = {name for file in FILES for name in re.findall(r"\$\{([A-Z_]+)", file.read_text())}
    assert sorted(told) == sorted(read)
