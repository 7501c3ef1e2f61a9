"""What the embedded server promises to the one process that starts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.local import THROW_AWAY, LocalError, Postgres
from core.local.binaries import find_binaries
from core.local.cluster import Cluster
from core.local.locks import hold

START = "Postgres(Path(sys.argv[1])).start()"
START_SHARED = "Postgres(Path(sys.argv[1]), THROW_AWAY, shared=True).start()"
START_IN_A_THREAD = """
import threading
postgres = Postgres(Path(sys.argv[1]))
thread = threading.Thread(target=postgres.start)
thread.start()
thread.join()
"""


def test_it_starts_from_nothing_and_stops(tmp_path: Path, query, pid, ends):
    with Postgres(tmp_path / "new" / "pg", THROW_AWAY) as postgres:
        assert query(postgres, "SELECT uuid_extract_version(uuidv7())") == "7"
        assert query(postgres, "SELECT datlocprovider, datlocale FROM pg_database LIMIT 1") == "b|C.UTF-8"
        server = pid(postgres.root)
    assert ends(server)
    assert not list(postgres.sockets.iterdir())


def test_starting_and_stopping_twice_changes_nothing(root: Path, pid):
    postgres = Postgres(root, THROW_AWAY).start()
    server = pid(root)
    postgres.start()
    assert pid(root) == server
    postgres.stop()
    postgres.stop()


def test_nobody_else_can_reach_the_socket_or_the_data(root: Path):
    with Postgres(root) as postgres:
        assert postgres.sockets.stat().st_mode & 0o777 == 0o700
        assert (root / "18").stat().st_mode & 0o777 == 0o700


def test_the_port_of_another_server_in_the_environment_does_not_matter(root: Path, query, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    with Postgres(root, THROW_AWAY) as postgres:
        assert query(postgres, "SELECT 1") == "1"


def test_data_is_kept_over_a_restart(root: Path, query):
    with Postgres(root) as postgres:
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    with Postgres(root) as postgres:
        assert query(postgres, "SELECT answer FROM kept") == "42"


def test_options_reach_the_server_and_the_environment_does_not(root: Path, query, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with Postgres(root, {"work_mem": "7MB"}) as postgres:
        postgres.create_database("billing")
        monkeypatch.delenv("PGOPTIONS")
        monkeypatch.delenv("PGPORT")
        assert query(postgres, "SHOW work_mem") == "7MB"
        assert query(postgres, "SHOW timezone") == "UTC"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_server_gets_no_secret_of_ours(root: Path, pid, monkeypatch):
    monkeypatch.setenv("BILLING_SECRET_KEY", "hunter2")
    with Postgres(root):
        assert b"hunter2" not in Path(f"/proc/{pid(root)}/environ").read_bytes()


def test_databases_are_created_and_dropped_however_often(root: Path, query):
    name = """we're "odd" %I\\"""
    with Postgres(root, THROW_AWAY) as postgres:
        postgres.create_database(name)
        query(postgres, "CREATE TABLE kept ()", database="postgres")
        postgres.create_database(name)
        assert query(postgres, "SELECT datname FROM pg_database WHERE datname LIKE 'we%'") == name
        postgres.create_database("copy", template="postgres")
        assert query(postgres, "SELECT count(*) FROM kept", database="copy") == "0"
        postgres.drop_database(name)
        postgres.drop_database(name)
        assert not query(postgres, "SELECT datname FROM pg_database WHERE datname LIKE 'we%'")


def test_dropping_a_database_ends_its_sessions(root: Path, query, becomes):
    psql = find_binaries().tool("psql")
    with Postgres(root, THROW_AWAY) as postgres:
        postgres.create_database("busy")
        with subprocess.Popen([psql, "-Xc", "SELECT pg_sleep(60)", postgres.url("busy")], stderr=subprocess.PIPE):
            assert becomes(lambda: query(postgres, "SELECT FROM pg_stat_activity WHERE datname = 'busy'") == "")
            postgres.drop_database("busy")


def test_a_refusal_of_the_server_is_told(root: Path):
    with (
        Postgres(root, THROW_AWAY) as postgres,
        pytest.raises(LocalError, match=r'template.* "missing" does not exist'),
    ):
        postgres.create_database("copy", template="missing")


def test_a_database_name_that_would_be_cut_is_refused():
    for call in (Postgres(Path("pg")).create_database, Postgres(Path("pg")).drop_database):
        with pytest.raises(LocalError, match="at most 63 bytes"):
            call("é" * 32)


def test_the_url_quotes_the_name():
    assert Postgres(Path("/srv/pg")).url("a/b?c") == "postgresql://postgres@/a%2Fb%3Fc?host=/srv/pg/s&port=5432"


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(root: Path):
    with pytest.raises(LocalError, match=r"(?s)did not start; .*log ends with:\n.*shared_buffers"):
        Postgres(root, {"shared_buffers": "nonsense"}).start()
    with Postgres(root):
        pass


def test_a_server_that_is_too_slow_is_told_and_killed(root: Path, becomes, monkeypatch):
    monkeypatch.setattr("core.local.postgres.START_S_MAX", -1.0)
    with pytest.raises(LocalError, match="did not start"):
        Postgres(root).start()
    assert becomes(lambda: not Cluster(root, 18).is_alive())


def test_the_file_of_a_dead_server_makes_no_other_one_ready(tmp_path: Path):
    cluster = Cluster(tmp_path, 18)
    cluster.data.mkdir()
    (cluster.data / "postmaster.pid").write_text(f"1\n{cluster.data}\n1\n5432\n{tmp_path}\n\n1 1\nready\n")
    assert cluster.is_ready(1)
    assert not cluster.is_ready(2)


@pytest.mark.parametrize("lines", [START, START_SHARED, START_IN_A_THREAD])
def test_a_killed_parent_takes_the_server_with_it(root: Path, host, pid, ends, query, lines: str):
    parent = host(lines, root)
    server = pid(root)
    query(Postgres(root), "CREATE TABLE kept AS SELECT 42 AS answer")
    parent.kill()
    assert ends(server)
    with Postgres(root) as postgres:
        assert query(postgres, "SELECT answer FROM kept") == "42"


@pytest.mark.parametrize("lines", [START, START_SHARED])
def test_the_next_start_waits_for_a_server_that_is_still_ending(root: Path, host, query, lines: str):
    parent = host(lines, root)
    query(Postgres(root), "CREATE TABLE kept AS SELECT 42 AS answer")
    parent.kill()
    parent.wait()
    with Postgres(root) as postgres:
        assert query(postgres, "SELECT answer FROM kept") == "42"


def test_a_killed_server_starts_again_with_its_data(root: Path, query, pid):
    with Postgres(root) as postgres:
        query(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(pid(root), signal.SIGKILL)
    with Postgres(root) as postgres:
        assert query(postgres, "SELECT answer FROM kept") == "42"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PostgreSQL judges its own left-overs")
def test_the_number_of_a_dead_server_may_be_in_use_again(root: Path, host):
    # Not our own number: PostgreSQL knows that its parent is no server.
    other = host("").pid
    sockets = Postgres(root).sockets
    sockets.mkdir(mode=0o700, exist_ok=True)
    stale = f"{other}\n{root / '18'}\n1\n5432\n{sockets}\n\n1 1\nready\n"
    (root / "18" / "postmaster.pid").write_text(stale)
    (sockets / ".s.PGSQL.5432.lock").write_text(stale)
    with Postgres(root):
        pass


def test_stopping_after_a_crash_spares_the_server_of_whoever_came_next(root: Path, pid, ends, query):
    crashed = Postgres(root).start()
    os.kill(server := pid(root), signal.SIGKILL)
    assert ends(server)
    with Postgres(root) as following:
        crashed.stop()
        assert query(following, "SELECT 1") == "1"


def test_ctrl_c_in_the_terminal_spares_the_server(root: Path, host, pid, query):
    parent = host(START, root)
    os.killpg(parent.pid, signal.SIGINT)
    time.sleep(0.1)
    assert parent.poll() is None
    assert query(Postgres(root), "SELECT 1") == "1"


def test_a_killed_initdb_never_looks_finished(tmp_path: Path, host, becomes, query):
    root = tmp_path / "pg"
    parent = host(START, root, wait=False)
    assert becomes((root / "18.new" / "PG_VERSION").exists)
    parent.kill()
    parent.wait()
    assert not (root / "18").exists()
    with Postgres(root, THROW_AWAY) as postgres:
        assert query(postgres, "SELECT 1") == "1"
    assert not (root / "18.new").exists()


def test_initdb_says_why_it_fails(tmp_path: Path):
    (tmp_path / "18.new").write_text("in the way")
    with pytest.raises(LocalError, match=r"could not create .*18: .*Not a directory"):
        Postgres(tmp_path).start()


def test_stopping_is_bounded(root: Path, pid, ends, monkeypatch):
    monkeypatch.setattr("core.local.cluster.STOP_STEPS", ((signal.SIGINT, 0.05), (signal.SIGKILL, 5.0)))
    postgres = Postgres(root, THROW_AWAY).start()
    server = pid(root)
    os.kill(server, signal.SIGSTOP)
    postgres.stop()
    assert ends(server)
    with postgres:  # Starts over what the killed one left in memory, too.
        pass


def test_a_server_that_cannot_be_stopped_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("core.local.cluster.STOP_STEPS", ((signal.SIGKILL, 0.05),))
    life = hold(Cluster(tmp_path, 18).life)
    with pytest.raises(LocalError, match="does not end"):
        Postgres(tmp_path).start()
    os.close(life)


def test_a_killed_server_whose_children_live_on_is_not_joined(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("core.local.postgres.START_S_MAX", 0.05)
    cluster = Cluster(tmp_path, 18)
    cluster.data.mkdir()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n1\n5432\n{tmp_path}\n\n1 1\nready\n")
    held = [hold(cluster.life), hold(cluster.users)]
    with pytest.raises(LocalError, match="takes no connections"):
        Postgres(tmp_path).start()
    for descriptor in held:
        os.close(descriptor)


def test_a_root_that_is_no_directory_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "pg"):
        with pytest.raises(LocalError, match="file is not a directory"):
            Postgres(path).start()


def test_it_starts_faster_than_anybody_notices(root: Path):
    def start_s() -> float:
        before = time.monotonic()
        with Postgres(root):
            return time.monotonic() - before

    # 0.03 s on a quiet machine; a busy one is given its chances.
    assert any(start_s() < 1.0 for _ in range(30))
