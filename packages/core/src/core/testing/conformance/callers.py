"""Who may call, and whose answers are stored nowhere."""

import httpx

from core.testing.conformance.grounds import Conforming


class Callers:
    async def test_a_valid_token_names_the_caller_and_its_answer_is_not_stored(
        self, somewhere: httpx.AsyncClient, conforming: Conforming
    ) -> None:
        headers = {"Authorization": f"Bearer {conforming.mint()}"}
        response = await somewhere.get("/v1/exits/caller", headers=headers)
        assert response.json()["name"].startswith("usr_")
        assert response.headers["cache-control"] == "no-store"
