"""The command `rolling`: the old code on the new schema, and the new code on the old one."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from workspace.members import Member, members_of
from workspace.rolling.history import History
from workspace.rolling.trials import Failure, Trial

FAILURES_SHOWN_MAX = 20


def rolling(root: Path, *, base: str | None, options: Sequence[str]) -> bool:
    """Tries each service whose migrations have changed; whether its releases can stand on one schema.

    Raises:
        UnknownBaseError: git knows no such commit.
        BrokenTrialError: tests could not be run.
    """
    history = History(root)
    commit = history.base(base)
    if commit is None:
        _say("NOT TRIED: no commit to compare with is known (a shallow clone?)")
        return True
    services = [each for each in members_of(root).values() if each.is_service]
    changed = [each for each in services if history.has_changed(commit, _migrations(root, each))]
    if not changed:
        _say(f"schema unchanged since {commit}")
    with tempfile.TemporaryDirectory(prefix="rolling-") as scratch:
        # Each of them has its say.
        verdicts = [_rolls(history, commit, service, Path(scratch), options) for service in changed]
    return all(verdicts)


def _migrations(root: Path, service: Member) -> Path:
    return service.folder.relative_to(root) / "src" / service.name / "migrations"


def _rolls(history: History, commit: str, service: Member, scratch: Path, options: Sequence[str]) -> bool:
    """Both ways, so that one run tells all."""
    migrations = _migrations(history.root, service)
    if not history.has(commit, migrations):
        _say(f"{service.name}: there was none at {commit}")
        return True
    old = history.extract(commit, scratch / f"{service.name}-old")
    new = history.copy(scratch / f"{service.name}-new")
    names = ", ".join(sorted(_names(new / migrations) - _names(old / migrations))) or "migrations that were edited"
    _exchange(old / migrations, new / migrations)
    folder = service.folder.relative_to(history.root)
    _say(f"{service.name}: the code of {commit[:12]}, on the schema with {names}")
    is_safe = _old_on_new(Trial(old, folder, scratch).failures(options), f"{service.name}: with {names}")
    _say(f"{service.name}: the code as it is, on the schema of {commit[:12]}")
    return _new_on_old(Trial(new, folder, scratch).failures(options), f"{service.name}: before {names}") and is_safe


def _names(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("[0-9]*.py")}


def _exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    for source, target in ((one, aside), (other, one), (aside, other)):
        shutil.move(source, target)


def _old_on_new(failures: Sequence[Failure], place: str) -> bool:
    """While it is deployed, replicas of the release before serve on the new schema: all of it has to work."""
    _show(failures, lambda each: f"{place}, the release before fails {each.test}: {each.why}")
    if not failures:
        _say(f"{place}, the release before runs")
    return not failures


def _new_on_old(failures: Sequence[Failure], place: str) -> bool:
    """What needs the new schema has to be refused by the old one, and by nothing less: nothing may go wrong quietly."""
    quiet = [each for each in failures if not each.is_refused]
    _show(quiet, lambda each: f"{place}, this release fails {each.test}, and the database refuses nothing: {each.why}")
    waiting = len(failures) - len(quiet)
    if waiting:
        _say(
            f"{place}, the database refuses what this release does in tests ({waiting}): `migrate` first, then `serve`"
        )
        for why in sorted({each.why for each in failures if each.is_refused})[:FAILURES_SHOWN_MAX]:
            _say(f"  {why}")
    elif not quiet:
        _say(f"{place}, this release runs, too")
    return not quiet


def _show(failures: Sequence[Failure], told: Callable[[Failure], str]) -> None:
    for each in failures[:FAILURES_SHOWN_MAX]:
        _say(told(each))
    if len(failures) > FAILURES_SHOWN_MAX:
        _say(f"… and {len(failures) - FAILURES_SHOWN_MAX} more")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
