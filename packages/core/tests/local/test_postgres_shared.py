"""Several processes on one server: it is started once, and ends with the last of them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core.local import THROW_AWAY, LocalError, Postgres, throw_away_postgres
from core.local.cluster import Cluster
from core.local.locks import locked

SHARE = "postgres = Postgres(Path(sys.argv[1]), THROW_AWAY, shared=True).start()"
START = "postgres = Postgres(Path(sys.argv[1])).start()"


def test_eight_processes_start_one_server(root: Path, host, pid, ends, query):
    shutil.rmtree(root)  # initdb takes long enough for all of them to meet.
    hosts = [host(f"{SHARE}; postgres.create_database('tests')", root, wait=False) for _ in range(8)]
    assert all(process.stdout.readline() == "done\n" for process in hosts)
    server = pid(root)
    assert query(Postgres(root), "SELECT count(*) FROM pg_database WHERE datname = 'tests'") == "1"
    assert (root / "log").read_text().count("ready to accept connections") == 1
    for process in hosts:
        process.kill()
    assert ends(server)


def test_a_start_waits_while_another_process_starts_or_stops(root: Path, host):
    with locked(Cluster(root, 18).turn):
        waiting = host(SHARE, root, wait=False)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
        assert not (root / "log.old").exists()
    assert waiting.stdout.readline() == "done\n"


def test_whoever_started_a_shared_server_may_leave_first(root: Path, host, pid, ends, query):
    first = Postgres(root, THROW_AWAY, shared=True).start()
    second = host(SHARE, root)
    server = pid(root)
    first.stop()
    assert query(first, "SELECT 1") == "1"
    assert pid(root) == server
    second.kill()
    assert ends(server)


def test_the_last_to_leave_stops_a_shared_server_at_once(root: Path, host, pid):
    first = host(SHARE, root)
    second = Postgres(root, THROW_AWAY, shared=True).start()
    first.kill()
    first.wait()
    assert (root / "18" / "postmaster.pid").exists()
    second.stop()
    assert not (root / "18" / "postmaster.pid").exists()


def test_whoever_joins_a_server_leaves_it_running(root: Path, host, pid, query):
    host(START, root)
    server = pid(root)
    with Postgres(root) as joined:
        assert query(joined, "SELECT 1") == "1"
    assert pid(root) == server
    assert query(joined, "SELECT 1") == "1"


def test_a_server_that_is_not_shared_ends_with_whoever_started_it(root: Path, host, pid, ends):
    first = Postgres(root).start()
    host(START, root)
    server = pid(root)
    first.stop()
    assert ends(server)


def test_a_throw_away_server_is_the_same_for_the_same_key(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("core.local.throw_away.MEMORY", tmp_path)
    assert throw_away_postgres("run 1").root == throw_away_postgres("run 1").root
    assert throw_away_postgres("run 1").root != throw_away_postgres("run 2").root
    assert throw_away_postgres("run 1").root.is_relative_to(tmp_path)
    assert throw_away_postgres("run 1").shared


def test_without_memory_to_spare_the_disk_has_to_do(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("core.local.throw_away.MEMORY", Path("/missing"))
    assert throw_away_postgres("a").root.is_relative_to(tmp_path)
    monkeypatch.setattr("core.local.throw_away.MEMORY", Path("/"))
    monkeypatch.setattr("core.local.throw_away.MEMORY_FREE_BYTES_MIN", 2**63)
    assert throw_away_postgres("a").root.is_relative_to(tmp_path)


def test_a_throw_away_directory_that_others_can_open_is_refused(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("core.local.throw_away.MEMORY", tmp_path)
    throw_away_postgres("a").root.parent.chmod(0o755)
    with pytest.raises(LocalError, match="not a private directory"):
        throw_away_postgres("a")


def test_a_killed_throw_away_server_starts_again(root: Path, host, pid, ends, query):
    parent = host(SHARE, root)
    server = pid(root)
    os.kill(server, 9)
    assert ends(server)
    parent.kill()
    parent.wait()
    with Postgres(root, THROW_AWAY, shared=True) as postgres:
        assert query(postgres, "SELECT 1") == "1"
