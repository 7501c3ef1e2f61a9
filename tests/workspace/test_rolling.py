"""Two releases on one schema: what is tried, what is told, and what fails; with the service users, as it is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git
from surroundings import environment
from workspace.rolling.command import _new_on_old, _old_on_new, rolling
from workspace.rolling.history import History, UnknownBaseError
from workspace.rolling.trials import Failure

LOCALE = "    locale: Mapped[str | None]"
LANGUAGE = "    language: Mapped[str | None]"
MIGRATION = """from alembic.operations import Operations

revision = "0099_language"
down_revision = {before!r}


def upgrade(op: Operations) -> None:
    op.execute("ALTER TABLE users DROP locale, ADD language text")
"""


def test_each_release_is_tried_on_the_schema_of_the_other(tree):
    folder = tree / "services/users/src/users"
    before = max(file.stem for file in folder.glob("migrations/0*.py"))
    (folder / "migrations/0099_language.py").write_text(MIGRATION.format(before=before))
    models = folder / "accounts/models.py"
    models.write_text(models.read_text().replace(LOCALE, f"{LOCALE}\n{LANGUAGE}"))
    # One test is enough.
    options = ["--base=HEAD", "--", "-k=it_is_said_which_version_is_changed"]
    command = [sys.executable, "-m", "workspace", "rolling", *options]
    surroundings = environment() | {"UV_COMPILE_BYTECODE": "0"}
    done = subprocess.run(command, cwd=tree, env=surroundings, capture_output=True, text=True, check=False)
    missed = "services/users/tests/test_me.py::test_it_is_said_which_version_is_changed: UndefinedColumnError: column "
    assert f'users: with 0099_language, the release before fails {missed}"locale"' in done.stdout
    assert "users: before 0099_language, the database refuses what this release does in tests (1)" in done.stdout
    assert "  UndefinedColumnError: column users.language does not exist" in done.stdout
    assert done.returncode == 1


REFUSED = Failure("test_pay", 'UndefinedColumnError: column "tip" does not exist', is_refused=True)
QUIET = Failure("test_pay", "assert 5 == 7", is_refused=False)


def test_on_the_new_schema_the_release_before_may_not_fail_at_all(capsys):
    assert _old_on_new([], "billing: with 0013_tips")
    assert capsys.readouterr().out == "billing: with 0013_tips, the release before runs\n"
    assert not _old_on_new([REFUSED], "billing: with 0013_tips")
    assert not _old_on_new([QUIET] * 30, "billing: with 0013_tips")
    assert capsys.readouterr().out.endswith("the release before fails test_pay: assert 5 == 7\n… and 10 more\n")


def test_on_the_old_schema_this_release_may_be_refused_and_may_not_go_wrong_quietly(capsys):
    assert _new_on_old([], "billing: before 0013_tips")
    assert capsys.readouterr().out == "billing: before 0013_tips, this release runs, too\n"
    assert _new_on_old([REFUSED], "billing: before 0013_tips")
    assert not _new_on_old([REFUSED, QUIET], "billing: before 0013_tips")
    said = capsys.readouterr().out
    assert "this release fails test_pay, and the database refuses nothing: assert 5 == 7" in said
    assert said.count('  UndefinedColumnError: column "tip" does not exist') == 2


RECORDED = """
import sys

class UndefinedColumnError(Exception): ...

def test_models_and_migrated_schema_are_equal():
    assert False

def test_passes():
    assert True

def test_raises():
    raise UndefinedColumnError("column a does not exist")

def test_says_so_in_a_process_of_its_own():
    print("asyncpg.exceptions.NotNullViolationError: null value in column b", file=sys.stderr)
    assert False

def test_says_nothing():
    assert 5 == 7
"""


def test_a_failure_is_recorded_with_what_the_database_has_said(tmp_path):
    (tmp_path / "test_it.py").write_text(RECORDED)
    plugin = Path(sys.modules[rolling.__module__].__file__ or "").parent
    command = [sys.executable, "-m", "pytest", "-p", "no:core", "-p", "recorder", "--quiet", "test_it.py"]
    surroundings = environment() | {"PYTHONPATH": str(plugin), "ROLLING_REPORT": str(tmp_path / "report")}
    subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, check=False)
    lines = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert [(each["test"].partition("::")[2], each["is_refused"], each["why"]) for each in lines] == [
        ("test_raises", True, "UndefinedColumnError: column a does not exist"),
        ("test_says_so_in_a_process_of_its_own", True, "NotNullViolationError: null value in column b"),
        ("test_says_nothing", False, "assert 5 == 7"),
    ]


@pytest.fixture
def small(tmp_path):
    """A repository with one service, which has one migration."""
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['services/*']\n")
    service(tmp_path, "orders")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return committed(tmp_path)


def service(root: Path, name: str) -> None:
    folder = root / f"services/{name}/src/{name}/migrations"
    folder.mkdir(parents=True)
    (folder / "0001_start.py").write_text("")
    entry = f"[project.entry-points.\"core.services\"]\n{name} = '{name}.app'\n"
    (root / f"services/{name}/pyproject.toml").write_text(f"[project]\nname = '{name}'\n{entry}")


def committed(root: Path) -> Path:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=A change")
    return root


def test_where_no_migration_has_changed_nothing_is_tried(small, capsys):
    committed(small)
    before = git(small, "rev-parse", "HEAD~1")
    assert rolling(small, base=None, options=[])
    assert capsys.readouterr().out == f"schema unchanged since {before}\n"


def test_a_service_that_was_not_there_has_no_release_before(small, capsys):
    first = git(small, "rev-parse", "HEAD")
    service(small, "baskets")
    assert rolling(small, base="HEAD", options=[])
    assert capsys.readouterr().out == f"baskets: there was none at {first}\n"


def test_without_a_commit_to_compare_with_it_says_so(small, capsys):
    assert rolling(small, base=None, options=[])
    assert capsys.readouterr().out.startswith("NOT TRIED: ")
    with pytest.raises(UnknownBaseError, match="nowhere is no commit here"):
        rolling(small, base="nowhere", options=[])


def test_a_branch_is_compared_with_where_it_left_main(small):
    left = git(small, "rev-parse", "HEAD")
    git(small, "switch", "--quiet", "--create=work")
    committed(committed(small))
    assert History(small).base(None) == left
    assert History(small).base("HEAD~1") == git(small, "rev-parse", "HEAD~1")


def test_a_migration_that_is_new_or_edited_has_changed_the_schema(small):
    folder = Path("services/orders/src/orders/migrations")
    assert not History(small).has_changed("HEAD", folder)
    (small / folder / "0002_next.py").write_text("")
    assert History(small).has_changed("HEAD", folder)
    (small / folder / "0002_next.py").unlink()
    (small / folder / "0001_start.py").write_text("otherwise")
    assert History(small).has_changed("HEAD", folder)


def test_the_trees_are_as_they_were_and_as_they_are(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    (small / ".gitignore").write_text("ignored\n")
    (small / "ignored").write_text("")
    (small / "pyproject.toml").unlink()
    (small / "untracked").write_text("")
    assert (History(small).extract("HEAD", folder / "old") / "pyproject.toml").exists()
    assert sorted(path.name for path in History(small).copy(folder / "new").iterdir()) == [
        ".gitignore",
        "services",
        "untracked",
    ]
