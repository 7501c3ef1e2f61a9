"""Python as the developer's formatter writes it: ruff, as the repository configures it, where there is ruff."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

COMMANDS = (("check", "--select", "I", "--fix", "--quiet"), ("format", "--quiet"))


def find_ruff() -> str | None:
    """The ruff of this environment, or else of PATH."""
    return shutil.which("ruff", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))


def formatted(text: str, file: Path) -> str:
    """The text as it is to stand in `file`, which need not exist; as it is, where there is no ruff or it refuses."""
    ruff = find_ruff()
    for options in COMMANDS if ruff else ():
        command = [str(ruff), *options, f"--stdin-filename={file}", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        text = done.stdout or text
    return text
