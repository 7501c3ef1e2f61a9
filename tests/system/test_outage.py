"""A database that goes away under a running service, and comes back."""

from pathlib import Path

import httpx
import pytest
from processes import process, run, until

from core.local import THROW_AWAY, Postgres
from core.testing import problem
from core.testing.network import free_port

ORIGIN = {"Origin": "https://app.example"}
WRITE = {"email": "somebody@example.com"}


@pytest.mark.parametrize("topology", ["gateway", "standalone"])
def test_while_the_database_is_away_answers_are_503_and_they_recover_by_themselves(tmp_path: Path, topology: str):
    postgres = Postgres(tmp_path / "postgres", THROW_AWAY)
    host = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "GATEWAY_DATA_DIR": str(tmp_path / "gateway"),
        "USERS_DATABASE__URL": postgres.url("users_elsewhere"),
        "USERS_CORS__ALLOW_ORIGINS": ORIGIN["Origin"],
        "USERS_SERVER__READINESS_INTERVAL_S": "0.2",
    }
    if topology == "standalone":
        environment |= {"USERS_ENVIRONMENT": "local", "USERS_DATA_DIR": str(tmp_path / "users")}
    with postgres:
        postgres.create_database("users_elsewhere")
        if topology == "standalone":
            run("users", "migrate", environment=environment)
        command = ("gateway",) if topology == "gateway" else ("users", "serve")
        url = f"{host}/users" if topology == "gateway" else host
        with process(*command, "--port", str(port), ready=f"{host}/readyz", environment=environment):
            postgres.stop()
            response = httpx.post(f"{url}/v1/email-verifications", json=WRITE, headers=ORIGIN, timeout=20)
            assert problem(response) == (503, "database_unavailable")
            assert response.headers["retry-after"]
            assert response.headers["access-control-allow-origin"] == ORIGIN["Origin"]
            until(lambda: httpx.get(f"{url}/readyz").status_code == 503, "/readyz did not notice")
            assert problem(httpx.get(f"{url}/readyz")) == (503, "not_ready")
            assert problem(httpx.get(f"{host}/readyz")) == (503, "not_ready")
            assert httpx.get(f"{url}/livez").status_code == 200

            postgres.start()
            until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "it did not recover")
            until(lambda: httpx.post(f"{url}/v1/email-verifications", json=WRITE).status_code == 202, "it refuses")
