"""The command line of acme."""

import json
import sys
from pathlib import Path

import pytest

from acme.__main__ import main

DOCUMENT = Path(__file__).parents[1] / "openapi.json"


def test_the_command_says_what_the_service_can_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["acme", "routes"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = {tuple(line.split()[:2]) for line in capsys.readouterr().out.splitlines()}
    paths = json.loads(DOCUMENT.read_text())["paths"]
    assert not ended.value.code
    assert told == {(method.upper(), path) for path, operations in paths.items() for method in operations}
