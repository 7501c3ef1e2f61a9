"""Holds what docs/operations.md says of the edge against its configuration."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_variable_of_the_edge_has_its_row():
    page = (ROOT / "docs" / "operations.md").read_text().partition("\n## The edge\n")[2]
    told = dict(re.findall(r"\{\$(EDGE_\w+):?([^}]*)\}", (ROOT / "deploy" / "edge" / "Caddyfile").read_text()))
    rows = re.findall(r"^\| `(EDGE_\w+)` \| [^|]+ \| (?:`([^`]+)`|none) \|$", page, re.MULTILINE)
    assert dict(rows) == told
    assert len(rows) == len(told)
