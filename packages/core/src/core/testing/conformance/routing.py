"""How an address is answered that no operation of the service has, or not for this method."""

import httpx


class Routing:
    async def test_head_answers_like_get_without_its_body(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.head("/livez")
        assert (response.status_code, response.content) == (200, b"")
