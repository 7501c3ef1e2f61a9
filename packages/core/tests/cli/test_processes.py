"""Commands that stay: a service on its own, as in a container, and as on a laptop with everything it needs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def fresh(postgres):
    """An empty database of a service that runs alone."""
    postgres.create_database("cli_processes")
    yield {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": postgres.url("cli_processes")}
    postgres.drop_database("cli_processes")


def test_a_service_serves_until_it_is_told_to_stop(start, run, fresh, port, asking, eventually):
    assert run("migrate", **fresh).code == 0
    # Without a command it serves, and says where: in the environment.
    served = start(EXAMPLE_SERVER__PORT=str(port), EXAMPLE_LOGS__FORMAT="json", **fresh)
    eventually(asking(port).is_ready)
    assert asking(port).ask("POST", "/v1/things", {"name": "a"})[0] == 401
    served.popen.send_signal(signal.SIGTERM)
    assert served.ends() == 0
    assert '"route":"/v1/things","status":401' in "".join(served.said)


@pytest.fixture
def laptop(room, start, port, run, asking, eventually):
    """What the tests of `dev` do again and again, in one room: its data outlives each of them."""

    class Laptop:
        data = room / "data"
        client = asking(port)

        def dev(self):
            process = start("dev", "--port", str(port), source=room, EXAMPLE_DATA_DIR=str(self.data))
            eventually(lambda: self.client.is_ready() or process.popen.poll() is not None)
            assert process.popen.poll() is None, process.said
            return process

        def run(self, *arguments):
            return run(*arguments, EXAMPLE_DATA_DIR=str(self.data))

        def make(self, name):
            bearer = f"Bearer {self.run('token', '--role', 'admin').out.strip()}"
            return self.client.ask(
                "POST", "/v1/things", {"name": name}, Authorization=bearer, **{"Idempotency-Key": name}
            )

        def count(self):
            return len(self.client.ask("GET", "/v1/things?limit=100")[1]["data"])

    return Laptop()


def test_a_laptop_needs_one_command(laptop, room, port, other_port, eventually, processes):
    """One start, because a start is what costs: from an empty directory to Ctrl-C."""
    dev = laptop.dev()
    first, second = dev.said[:2]
    url = f"http://127.0.0.1:{port}"
    assert first == f"example at {url}, documentation at {url}/docs; its data is in {laptop.data}\n"
    assert second == "A token for it: example token --role admin\n"

    # A token of this machine is believed.
    there = laptop.count()
    status, made = laptop.make("first")
    assert (status, made["name"]) == (201, "first")

    # The directory belongs to this one, and what it stores stays.
    for command in (["dev", "--port", str(other_port)], ["reset", "--yes"]):
        refused = laptop.run(*command)
        sentence = f"Another example (process {dev.popen.pid}) already uses {laptop.data}.\n"
        assert (refused.code, refused.err) == (1, sentence)
    assert laptop.count() == there + 1
    # Its database can be looked at meanwhile.
    assert laptop.run("migrate", "check") == (0, "example: models and schema are equal\n", "")

    # A change of the code is served soon, on the same port, with the same data.
    schemas = room / "example" / "things" / "schemas" / "v1.py"
    schemas.write_text(schemas.read_text().replace("max_length=50", "max_length=10"))
    names = (f"more than ten letters {number}" for number in range(1000))
    eventually(lambda: laptop.make(next(names))[0] == 422)
    before = laptop.count()
    assert laptop.make("short")[0] == 201
    assert laptop.count() == before + 1

    # Ctrl-C ends all of it.
    dev.interrupt()
    assert dev.ends() == 0
    assert processes(room) == set()
    assert "Traceback" not in "".join(dev.said)


def test_what_was_stored_is_there_again_and_no_killed_process_leaves_another(laptop, room, eventually, processes):
    dev = laptop.dev()
    assert laptop.make("after")[0] == 201
    assert len(processes(room)) >= 3
    dev.popen.kill()
    eventually(lambda: processes(room) == set())


def test_psql_needs_no_service_and_keeps_its_server_from_being_deleted(laptop, room, processes):
    psql = subprocess.Popen(
        [sys.executable, "-m", "example", "psql"],
        env={**os.environ, "PYTHONPATH": str(room), "EXAMPLE_DATA_DIR": str(laptop.data)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert psql.stdin is not None
    assert psql.stdout is not None
    psql.stdin.write("\\echo ready\n")
    psql.stdin.flush()
    while "ready" not in psql.stdout.readline():
        pass
    refused = laptop.run("reset", "--yes")
    assert (refused.code, refused.err) == (1, f"The PostgreSQL in {laptop.data} is in use, by a psql perhaps.\n")
    psql.communicate("\\quit\n")
    assert psql.returncode == 0
    assert processes(room) == set()

    assert laptop.run("reset", "--yes").code == 0
    assert not Path(laptop.data).exists()
