"""A host's data directory: found, held by one host at a time, and home of secrets that do not change."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.local import DataDirectory, LocalError

HOLD = "DataDirectory('gateway', Path(sys.argv[1])).open()"


@pytest.fixture
def without_root() -> Iterator[None]:
    """Permissions mean nothing to root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield
    os.seteuid(user)


def test_it_is_in_the_workspace_that_the_working_directory_is_in(tmp_path: Path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = []\n")
    inner = tmp_path / "services" / "billing"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\nname = 'billing'\n")
    (inner.parent / "pyproject.toml").write_text("this is = not [toml")
    monkeypatch.chdir(inner)
    assert DataDirectory.locate("billing").path == tmp_path / ".local" / "billing"
    assert not (tmp_path / ".local").exists()


def test_without_a_workspace_it_is_in_the_working_directory(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert DataDirectory.locate("billing").path == tmp_path / ".local" / "billing"


def test_an_explicit_path_overrides(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert DataDirectory.locate("billing", Path("data")).path == tmp_path / "data"


def test_it_is_closed_to_others(tmp_path: Path):
    with DataDirectory("gateway", tmp_path / ".local" / "gateway") as directory:
        assert directory.path.stat().st_mode & 0o777 == 0o700


def test_a_second_host_is_refused_and_told_of_the_first(tmp_path: Path, host):
    first = host(HOLD, tmp_path)
    with pytest.raises(LocalError, match=rf"^Another gateway \(process {first.pid}\) already uses {tmp_path}\.$"):
        DataDirectory("gateway", tmp_path).open()


def test_a_killed_host_holds_nothing(tmp_path: Path, host):
    first = host(HOLD, tmp_path)
    first.kill()
    first.wait()
    with DataDirectory("gateway", tmp_path):
        pass


def test_a_closed_directory_can_be_opened_again(tmp_path: Path):
    directory = DataDirectory("gateway", tmp_path)
    directory.open()
    directory.close()
    directory.close()
    with directory:
        pass


@pytest.mark.usefixtures("without_root")
def test_a_directory_that_cannot_be_written_is_refused():
    with pytest.raises(LocalError, match=r"^/proc/1/gateway cannot be written: .*\.$"):
        DataDirectory("gateway", Path("/proc/1/gateway")).open()


def test_an_existing_directory_that_cannot_be_written_is_refused(tmp_path: Path, request: pytest.FixtureRequest):
    tmp_path.chmod(0o500)
    request.getfixturevalue("without_root")
    with pytest.raises(LocalError, match=rf"^{tmp_path} cannot be written: Permission denied\.$"):
        DataDirectory("gateway", tmp_path).open()


def test_a_file_in_its_place_is_refused(tmp_path: Path):
    (tmp_path / "gateway").touch()
    with pytest.raises(LocalError, match=r"gateway is not a directory\.$"):
        DataDirectory("gateway", tmp_path / "gateway").open()


def test_a_lock_that_cannot_be_opened_is_told(tmp_path: Path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(LocalError, match="lock cannot be opened: Is a directory"):
        DataDirectory("gateway", tmp_path).open()


def test_a_secret_is_made_once_and_kept(tmp_path: Path):
    secret = DataDirectory("gateway", tmp_path).secret("session-key")
    assert DataDirectory("gateway", tmp_path).secret("session-key") == secret
    assert DataDirectory("gateway", tmp_path).secret("other") != secret
    assert len(secret) == 43


def test_a_secret_is_readable_by_its_owner_only(tmp_path: Path):
    DataDirectory("gateway", tmp_path).secret("key")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["key"]


def test_a_command_reads_the_secret_of_the_host_that_runs(tmp_path: Path, host):
    host(HOLD + ".secret('key')", tmp_path)
    assert DataDirectory("billing", tmp_path).secret("key") == (tmp_path / "secrets" / "key").read_text()


def test_whoever_asks_at_the_same_time_gets_the_same_secret(tmp_path: Path):
    directory = DataDirectory("gateway", tmp_path)
    with ThreadPoolExecutor(16) as pool:
        for name in ("a", "b", "c", "d"):
            assert len(set(pool.map(directory.secret, [name] * 16))) == 1


def test_a_damaged_secret_is_not_used(tmp_path: Path):
    DataDirectory("gateway", tmp_path).secret("key")
    (tmp_path / "secrets" / "key").write_text("")
    with pytest.raises(LocalError, match=r"secrets/key is damaged"):
        DataDirectory("gateway", tmp_path).secret("key")


def test_a_secret_that_cannot_be_kept_is_told(tmp_path: Path):
    (tmp_path / "secrets" / "key").mkdir(parents=True)
    (tmp_path / "secrets").chmod(0o700)
    with pytest.raises(LocalError, match="key cannot be kept: Is a directory"):
        DataDirectory("gateway", tmp_path).secret("key")


@pytest.mark.parametrize("name", ["", "../key", "a/b", ".hidden", "KEY", "key\n"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str):
    with pytest.raises(ValueError, match="cannot be the name of a secret"):
        DataDirectory("gateway", tmp_path).secret(name)
