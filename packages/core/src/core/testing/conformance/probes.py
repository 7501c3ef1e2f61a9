"""What an orchestrator asks."""

from core.testing.conformance.places import Place


class Probes:
    async def test_the_probes_answer(self, place: Place) -> None:
        for probe in ("/livez", "/readyz", "/startupz"):
            response = await place.inside.get(probe)
            assert (response.status_code, response.json()["status"]) == (200, "ok")
