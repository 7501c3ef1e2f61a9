"""What every answer carries, whatever it answers."""

import httpx
import pytest

from core.testing.locally import WEB_ORIGIN


class Headers:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/exits/handler"),
            ("GET", "/v1/nothing-here"),
            ("DELETE", "/v1/exits/caller"),
            ("POST", "/v1/exits/things"),
            ("GET", "/livez"),
        ],
    )
    async def test_every_answer_has_id_cors_and_security_headers(
        self, somewhere: httpx.AsyncClient, method: str, path: str
    ) -> None:
        response = await somewhere.request(
            method, path, headers={"Origin": WEB_ORIGIN, "X-Request-ID": "chosen-by.me_1"}
        )
        assert response.headers["x-request-id"] == "chosen-by.me_1"
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert response.headers["x-content-type-options"] == "nosniff"

    async def test_a_preflight_is_answered_with_an_id(self, somewhere: httpx.AsyncClient) -> None:
        headers = {"Origin": WEB_ORIGIN, "Access-Control-Request-Method": "POST"}
        response = await somewhere.options("/v1/exits/things", headers=headers)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert response.headers["x-request-id"]

    async def test_a_request_id_that_could_forge_a_log_line_is_replaced(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.get("/livez", headers={"X-Request-ID": "a b"})
        assert response.headers["x-request-id"] != "a b"
