"""Requests to an app, without a server."""

import httpx
import pytest


@pytest.fixture
def ask():
    """`await ask(app, "GET", "/path")`: the response."""

    async def request(app, method, path, **options):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service.example") as client:
            return await client.request(method, path, **options)

    return request
