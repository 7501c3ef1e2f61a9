"""What a service says when nobody has told it what it needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["users", "billing"])
def test_a_production_service_that_nobody_configured_names_everything_that_lacks(name: str, tmp_path: Path):
    prefix = f"{name.upper()}_"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(prefix)}
    done = subprocess.run(
        [sys.executable, "-m", name, "serve"], env=clean, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    for lacking in ("DATABASE__URL", "SECRET_KEY", "PUBLIC_URL", "MAIL__URL"):
        assert f"{prefix}{lacking} is missing" in done.stderr
    assert "token_urlsafe" in done.stderr
    assert "Traceback" not in done.stderr
