"""Who may call, and whose answers are stored nowhere."""

import httpx

from core.testing.conformance.grounds import Conforming
from core.testing.problems import problem


class Callers:
    async def test_no_token_and_no_valid_token_are_refused(self, somewhere: httpx.AsyncClient) -> None:
        for headers in ({}, {"Authorization": "Bearer not.a.token"}, {"Authorization": "Basic dXNlcjpwdw=="}):
            response = await somewhere.get("/v1/exits/caller", headers=headers)
            assert problem(response) == (401, "unauthenticated")
            assert response.headers["www-authenticate"] == "Bearer"

    async def test_a_valid_token_names_the_caller_and_its_answer_is_not_stored(
        self, somewhere: httpx.AsyncClient, conforming: Conforming
    ) -> None:
        headers = {"Authorization": f"Bearer {conforming.mint()}"}
        response = await somewhere.get("/v1/exits/caller", headers=headers)
        assert response.json()["name"].startswith("usr_")
        assert response.headers["cache-control"] == "no-store"
