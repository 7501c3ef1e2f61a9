"""The command `affected`: asks git what has changed, and prints whose tests that touches."""

import sys
from pathlib import Path

from nox.project import load_toml, python_versions

from workspace.affected.answer import Answer
from workspace.affected.changes import Repository
from workspace.affected.decision import LOCK, PROJECT, Reasons, Sources, touched
from workspace.affected.units import SUITES
from workspace.members import members_of


def affected(root: Path, *, base: str | None, as_json: bool) -> None:
    """Prints what differs from the base's last common commit with HEAD; without a base, leaves nothing out.

    Raises:
        NothingToCompareWithError: git knows no such commit.
    """
    answer = _answer(root, base)
    sys.stdout.write("".join(f"{line}\n" for line in ([answer.document()] if as_json else answer.lines())))


def _answer(root: Path, base: str | None) -> Answer:
    project = load_toml(root / PROJECT)
    members = sorted(members_of(root))
    if base is None:
        reasons: Reasons = {unit: {"asked for": ["--all"]} for unit in (*members, *sorted(SUITES))}
        return Answer(None, None, reasons, python_versions(project))
    repository = Repository(root)
    commit = repository.merge_base(base)
    reasons = touched(
        repository.changed_since(commit),
        before=Sources(project=repository.text(PROJECT, at=commit), lock=repository.text(LOCK, at=commit)),
        after=Sources(project=_text(root / PROJECT), lock=_text(root / LOCK)),
        members=members,
    )
    return Answer(base, commit, reasons, python_versions(project))


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
