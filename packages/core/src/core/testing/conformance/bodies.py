"""What is accepted as a request body, and how everything else is refused."""

import httpx
import pytest

from core.testing.problems import problem


class Bodies:
    async def test_what_is_well_formed_is_answered(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/exits/things", json={"name": "a"})
        assert (response.status_code, response.json()) == (200, {"name": "a"})

    @pytest.mark.parametrize("content", [b'{"name": "\xff"}', b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}"])
    async def test_what_is_json_to_nobody_is_malformed(self, somewhere: httpx.AsyncClient, content: bytes) -> None:
        response = await somewhere.post(
            "/v1/exits/things", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem(response) == (400, "malformed_json")

    async def test_an_invalid_field_is_pointed_at(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/exits/things", json={"name": 7})
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/name"]

    async def test_an_unknown_field_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/exits/things", json={"name": "a", "role": "admin"})
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/role"]
