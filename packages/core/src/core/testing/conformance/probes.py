"""What an orchestrator asks."""

import httpx


class Probes:
    async def test_the_probes_answer(self, somewhere: httpx.AsyncClient) -> None:
        for probe in ("/livez", "/readyz", "/startupz"):
            response = await somewhere.get(probe)
            assert (response.status_code, response.json()["status"]) == (200, "ok")
