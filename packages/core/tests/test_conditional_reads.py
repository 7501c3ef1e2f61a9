"""How long an answer with a version may be kept: not at all without asking, or as long as its handler says."""

import pytest
from bare import bare
from pydantic import BaseModel

from core.dependencies import Conditional
from core.testing.open_router import OpenRouter

router = OpenRouter(prefix="/v1/kept", tags=["kept"])


class Kept(BaseModel):
    """Nothing to say."""

    ok: bool = True


@router.get("/checked")
async def checked(conditional: Conditional) -> Kept:
    conditional.check(7)
    return Kept()


@router.get("/for-a-minute")
async def for_a_minute(conditional: Conditional) -> Kept:
    conditional.check(7, max_age_s=60)
    return Kept()


@pytest.fixture
def app():
    return bare(router)


@pytest.mark.parametrize(
    ("path", "cache_control"), [("checked", "private, no-cache"), ("for-a-minute", "private, max-age=60")]
)
async def test_an_answer_says_how_long_it_may_be_kept(anywhere, path, cache_control):
    path = f"/v1/kept/{path}"
    # A 304 renews what is kept (RFC 9111, section 4.3.4).
    for headers, status in (({}, 200), ({"If-None-Match": '"v6"'}, 200), ({"If-None-Match": '"v7"'}, 304)):
        response = await anywhere.get(path, headers=headers | {"Authorization": "Bearer anything"})
        assert response.status_code == status
        assert (response.headers["etag"], response.headers["cache-control"]) == ('"v7"', cache_control)
