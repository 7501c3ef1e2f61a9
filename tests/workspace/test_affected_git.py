"""What has changed is what git says: since the merge base, committed or not, at both ends of a rename."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_workspaces import SMALL, Package, lock, write
from workspace.affected.changes import NothingToCompareWithError, Repository
from workspace.affected.command import affected

SUITES = {"system", "workspace"}


class Checkout:
    """A repository with a small workspace on main, and a line of work that has left it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write(root)
        (root / ".gitignore").write_text("*.pyc\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        self.git("checkout", "--quiet", "-b", "work")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        return subprocess.check_output(["git", "-C", self.root, *identity, *arguments], text=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a change")

    def add(self, path: str, text: str = "text\n") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def changed(self, base: str = "main") -> list[str]:
        repository = Repository(self.root)
        return repository.changed_since(repository.merge_base(base))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a repository")


def answered(checkout: Checkout, capsys: pytest.CaptureFixture[str], base: str | None = "main") -> dict:
    affected(checkout.root, base=base, as_json=True)
    return json.loads(capsys.readouterr().out)


def test_without_a_change_there_is_none(checkout):
    assert checkout.changed() == []


def test_what_is_committed_staged_edited_and_new_is_found_and_what_is_ignored_is_not(checkout):
    checkout.add("committed")
    checkout.commit()
    checkout.add("staged")
    checkout.git("add", "staged")
    checkout.add("README.md", "edited\n")
    checkout.add("new/file")
    checkout.add("new/file.pyc")
    assert checkout.changed() == ["README.md", "committed", "new/file", "staged"]


@pytest.mark.parametrize("renames", ["true", "copies", "false"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_renamed_file_is_found_at_both_ends(checkout, renames, committed):
    checkout.git("config", "diff.renames", renames)
    checkout.git("mv", "services/users/src/users/app.py", "services/billing/src/billing/users.py")
    if committed:
        checkout.commit()
    assert checkout.changed() == ["services/billing/src/billing/users.py", "services/users/src/users/app.py"]


def test_a_deleted_file_is_found(checkout):
    (checkout.root / "dev").unlink()
    assert checkout.changed() == ["dev"]


def test_a_file_that_git_is_told_to_forget_is_found(checkout):
    checkout.git("rm", "--quiet", "--cached", "dev")
    assert checkout.changed() == ["dev"]


def test_a_file_that_becomes_a_program_or_a_link_is_found(checkout):
    (checkout.root / "dev").chmod(0o755)
    (checkout.root / "README.md").unlink()
    (checkout.root / "README.md").symlink_to("dev")
    assert checkout.changed() == ["README.md", "dev"]


def test_a_folder_that_becomes_a_link_touches_its_member(checkout, capsys):
    shutil.move(checkout.root / "services/users/src", checkout.root / "services/users/code")
    (checkout.root / "services/users/src").symlink_to("code")
    assert answered(checkout, capsys)["units"].keys() == {"users", *SUITES}


def test_what_has_landed_on_main_meanwhile_is_not_part_of_the_change(checkout):
    checkout.add("mine")
    checkout.commit()
    checkout.git("checkout", "--quiet", "main")
    checkout.add("theirs")
    checkout.commit()
    checkout.git("checkout", "--quiet", "work")
    assert checkout.changed() == ["mine"]


def test_a_name_outside_of_ascii_is_found_as_it_is(checkout):
    checkout.git("config", "core.quotePath", "true")
    checkout.add("services/users/ü")
    checkout.add("dev", "edited")
    assert checkout.changed() == ["dev", "services/users/ü"]


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS has no such names")
def test_a_path_of_any_name_is_found_and_can_be_printed(checkout, capsys):
    names = [b"services/users/src/line\nbreak", b'services/users/src/"quoted"\t', b"services/users/src/half\xff"]
    for name in names:
        Path(os.fsdecode(os.fsencode(checkout.root) + b"/" + name)).write_text("x")
    assert checkout.changed() == sorted(map(os.fsdecode, names))
    assert answered(checkout, capsys)["units"]["users"] == ['its own files: services/users/src/"quoted"\t and 2 more']
    (checkout.root / os.fsdecode(names[1])).unlink()
    affected(checkout.root, base="main", as_json=False)
    assert r"services/users/src/half\xff and 1 more" in capsys.readouterr().out
    (checkout.root / os.fsdecode(names[2])).unlink()
    affected(checkout.root, base="main", as_json=False)
    assert r"services/users/src/line\nbreak" in capsys.readouterr().out


def test_a_locked_version_touches_those_that_resolve_to_it(checkout, capsys):
    checkout.add("uv.lock", lock({**SMALL, "money": Package(version="2.0")}))
    assert answered(checkout, capsys)["units"] == {
        "billing": ["locked otherwise: money"],
        "system": ["locked otherwise: money"],
        "workspace": ["locked otherwise: money", "its own files: uv.lock"],
    }


def test_the_lines_say_each_unit_with_its_reasons(checkout, capsys):
    checkout.add("packages/core/src/core/ids.py")
    checkout.add("packages/core/src/core/mail.py")
    checkout.add("services/users/tests/me.py")
    affected(checkout.root, base="main", as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "billing    uses core: packages/core/src/core/ids.py and 1 more",
        "core       its own files: packages/core/src/core/ids.py and 1 more",
        "system     starts core: packages/core/src/core/ids.py and 1 more",
        "users      uses core: packages/core/src/core/ids.py and 1 more; its own files: services/users/tests/me.py",
        "workspace  copies core: packages/core/src/core/ids.py and 1 more; copies users: services/users/tests/me.py",
    ]


def test_the_lines_say_that_nothing_is_touched(checkout, capsys):
    checkout.add("README.md", "edited\n")
    affected(checkout.root, base="main", as_json=False)
    assert capsys.readouterr().out == "nothing: no test can come out otherwise than at main\n"


def test_the_object_has_a_job_for_each_member_and_python(checkout, capsys):
    checkout.add("services/users/tests/test_more.py")
    answer = answered(checkout, capsys)
    assert answer == {
        "base": "main",
        "merge_base": checkout.git("rev-parse", "main").strip(),
        "units": {
            "users": ["its own files: services/users/tests/test_more.py"],
            "workspace": ["copies users: services/users/tests/test_more.py"],
        },
        "members": ["users"],
        "tests": True,
        "system": False,
        "workspace": True,
        "pythons": ["3.11", "3.12"],
        "matrix": {"include": [{"member": "users", "python": "3.11"}, {"member": "users", "python": "3.12"}]},
    }


def test_without_a_base_nothing_is_left_out(checkout, capsys):
    answer = answered(checkout, capsys, base=None)
    assert answer["units"] == {
        unit: ["asked for: --all"] for unit in ("billing", "core", "users", "system", "workspace")
    }
    assert len(answer["matrix"]["include"]) == 3 * 2


def test_where_nothing_is_touched_the_matrix_is_empty(checkout, capsys):
    answer = answered(checkout, capsys)
    assert (answer["tests"], answer["matrix"]) == (False, {"include": []})


@pytest.mark.parametrize("base", ["origin/main", "-x", "0" * 40, "HEAD:dev"])
def test_a_base_that_is_no_commit_here_is_refused_with_what_to_do(checkout, base):
    with pytest.raises(NothingToCompareWithError, match="fetch it"):
        checkout.changed(base)


def test_a_history_that_was_cut_off_is_refused_with_what_to_do(checkout, tmp_path):
    checkout.add("mine")
    checkout.commit()
    checkout.git("checkout", "--quiet", "main")
    checkout.add("theirs")
    checkout.commit()
    shallow = tmp_path / "shallow"
    checkout.git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{checkout.root}", str(shallow))
    with pytest.raises(NothingToCompareWithError, match="--unshallow"):
        Repository(shallow).merge_base("origin/work")


def test_a_folder_that_is_no_repository_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(NothingToCompareWithError, match="git status"):
        Repository(tmp_path).merge_base("main")


def test_a_file_that_was_not_there_has_no_text(checkout):
    assert Repository(checkout.root).text("nothing", at="main") == ""


def test_a_lock_that_was_not_there_touches_everything(checkout, capsys):
    checkout.git("checkout", "--quiet", "main")
    checkout.git("rm", "--quiet", "uv.lock")
    checkout.commit()
    checkout.git("checkout", "--quiet", "-b", "without")
    checkout.add("uv.lock", lock(SMALL))
    assert answered(checkout, capsys)["units"].keys() == {"billing", "core", "users", *SUITES}
    (checkout.root / "uv.lock").unlink()
    assert answered(checkout, capsys)["units"].keys() == {"billing", "core", "users", *SUITES}
