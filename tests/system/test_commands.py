"""The commands that the README shows, as a developer types them."""

import json
import subprocess
from pathlib import Path

import httpx
from processes import process, run, until

from core.testing.network import free_port

PASSWORD = "kj3Vq8wZt5"


def processes_of(started: subprocess.Popen[str], data: Path) -> list[str]:
    """What runs in this process's group or on this data: PostgreSQL has a group of its own."""
    listed = subprocess.run(["ps", "-wweo", "pgid,pid,args"], capture_output=True, text=True, check=True)
    rows = listed.stdout.splitlines()[1:]
    return [row for row in rows if row.split()[0] == str(started.pid) or str(data) in row]


def test_a_service_alone_accepts_its_token_keeps_others_out_and_leaves_nothing_running(tmp_path: Path):
    data = tmp_path / "billing"
    environment = {"BILLING_DATA_DIR": str(data)}
    url = f"http://127.0.0.1:{(port := free_port())}"
    dev = ("billing", "dev", "--port", str(port))
    with process(*dev, ready=f"{url}/readyz", environment=environment, interrupt=True) as started:
        assert httpx.get(f"{url}/v1/plans").status_code == 401
        token = run("billing", "token", "--role", "admin", environment=environment).stdout.strip()
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/v1/plans", headers=bearer).status_code == 200
        created = httpx.post(f"{url}/v1/plans", headers=bearer, json={"name": "Mine"})
        assert created.status_code == 201, created.text

        second = run("billing", "dev", "--port", str(free_port()), environment=environment, code=1)
        assert second.stderr == f"Another billing (process {started.pid}) already uses {data}.\n"
        assert second.stdout == ""
        assert any("postgres" in row for row in processes_of(started, data))
        assert len([row for row in processes_of(started, data) if row.split()[0] == str(started.pid)]) > 1
    until(lambda: not processes_of(started, data), "something goes on running")


def test_the_openapi_document_is_printed_without_a_database(tmp_path: Path):
    document = json.loads(run("users", "openapi", environment={}, folder=tmp_path).stdout)
    assert (document["openapi"], document["info"]["title"]) == ("3.1.0", "users")
    assert {"/v1/users", "/v1/sessions/current"} <= document["paths"].keys()
    assert [*tmp_path.iterdir()] == []


def test_the_routes_are_printed_an_operation_a_line(tmp_path: Path):
    routes = [line.split() for line in run("users", "routes", environment={}, folder=tmp_path).stdout.splitlines()]
    assert ["POST", "/v1/users", "users_register"] in routes
    assert ["DELETE", "/v1/sessions/current", "sessions_sign_out"] in routes
    assert all(len(route) == 3 for route in routes)


def test_the_settings_are_printed_with_where_they_come_from_and_no_secret(tmp_path: Path):
    environment = {
        "BILLING_ENVIRONMENT": "local",
        "BILLING_DATABASE__URL": f"postgresql://billing:{PASSWORD}@localhost/billing",
        "BILLING_MAIL__URL": f"smtp://billing:{PASSWORD}@localhost",
        "BILLING_SECRET_KEY": f"{PASSWORD}-Rb7nYc2Xs9Lh4Dg6Mf1Pk0Wj",
    }
    printed = run("billing", "settings", environment=environment, folder=tmp_path)
    rows = printed.stdout.splitlines()
    assert "BILLING_ENVIRONMENT=local  # environment" in rows
    assert "BILLING_DATABASE__URL=postgresql://billing:***@localhost/billing  # environment" in rows
    assert "BILLING_MAIL__URL=smtp://billing:***@localhost  # environment" in rows
    assert "BILLING_SECRET_KEY=***  # environment" in rows
    assert "BILLING_INVOICE_SERIES=INV  # default" in rows
    assert PASSWORD not in printed.stdout + printed.stderr
