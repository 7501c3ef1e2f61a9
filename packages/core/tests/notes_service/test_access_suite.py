"""The suite's walk over all operations finds those that let somebody in."""

import asyncio
from datetime import UTC, datetime

import pytest

from core.dependencies.identity import _caller
from core.ids import format_id, new_id
from core.testing.conformance.access import let_in, let_in_without_the_scope
from core.testing.conformance.grounds import Conforming
from core.testing.conformance.places import placed
from core.testing.locally import minting
from core.tokens import Principal
from core.tokens.local import LocalKey

SOMEBODY = Principal(
    issuer="urn:local",
    subject=format_id("usr", new_id()),
    id=new_id(),
    kind="user",
    scopes=frozenset({"notes:write"}),
    roles=frozenset(),
    session_id=new_id(),
    client_id="tests",
    auth_time=datetime(2026, 5, 17, tzinfo=UTC),
    expires_at=datetime(2026, 5, 17, tzinfo=UTC),
)


async def whoever() -> Principal:
    """The mistake that is tested: nobody is asked for a token."""
    return SOMEBODY


@pytest.fixture
async def conforming(settings, tmp_path):
    mint = await asyncio.to_thread(minting, settings, tmp_path)
    return Conforming(settings, mint, await asyncio.to_thread(LocalKey.open, tmp_path, environment="local"))


async def test_an_operation_that_lets_anybody_in_is_found(service, settings, conforming):
    async with placed(service, settings, "standalone") as place:
        place.app.dependency_overrides[_caller] = whoever
        found = await let_in(place, conforming)
        assert "GET /v1/pages, no token: (200,)" in found
        assert "GET /v1/pages, HS256 with the public key as PEM: (200,)" in found
        assert "GET /v1/pages, no token: (422, 'invalid_cursor', None)" in found
        without = await let_in_without_the_scope(place, conforming)
        assert any(each.startswith("POST /v1/pages, without ") for each in without)
