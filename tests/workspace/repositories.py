"""Repositories of git that tests make."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    """What git prints, whoever sits here and whatever their configuration."""
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgSign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def copied(folder: Path) -> Path:
    """What git would have of the project as it is now, in one commit of a repository of its own."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *ignored))
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "As it is")
    return folder
