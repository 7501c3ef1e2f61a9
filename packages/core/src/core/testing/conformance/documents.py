"""What the service says of itself to a reader and to a generator of clients."""

import httpx

from core.testing.conformance.grounds import Conforming


class Documents:
    async def test_a_problem_type_is_a_page_that_explains_it(
        self, somewhere: httpx.AsyncClient, conforming: Conforming
    ) -> None:
        kind, url = (await somewhere.get("/v1/nothing-here")).json()["type"], str(conforming.settings.public_url)
        assert kind.startswith(f"{url}/problems/")
        page = await somewhere.get(kind.removeprefix(url))
        assert page.status_code == 200
        assert "not_found" in page.text

    async def test_the_documents_need_no_network(self, somewhere: httpx.AsyncClient) -> None:
        page = await somewhere.get("/docs")
        assert page.status_code == 200
        assert "://" not in page.text

    async def test_the_openapi_document_is_unchanged_for_who_has_it(self, somewhere: httpx.AsyncClient) -> None:
        first = await somewhere.get("/openapi.json")
        again = await somewhere.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code) == (200, 304)

    async def test_every_operation_documents_the_problem(self, somewhere: httpx.AsyncClient) -> None:
        document = (await somewhere.get("/openapi.json")).json()
        responses = [
            operation["responses"]["default"] for item in document["paths"].values() for operation in item.values()
        ]
        assert responses
        assert all(response == {"$ref": "#/components/responses/Problem"} for response in responses)
