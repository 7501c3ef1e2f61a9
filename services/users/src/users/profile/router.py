"""The caller's own account."""

from core.dependencies import Conditional, ETag, IfMatch
from core.routing import Router
from core.web.patches import Merged
from users.profile.dependencies import ProfilesDep
from users.profile.schemas import ProfilePatch, ProfileRead
from users.sessions.dependencies import SignedIn

router = Router(prefix="/v1/users", tags=["users"])


@router.get("/me")
async def read_me(me: SignedIn, profiles: ProfilesDep, conditional: Conditional) -> ProfileRead:
    """The account of the caller."""
    profile = await profiles.get(me.id)
    conditional.check(profile.version)
    return ProfileRead.own(profile)


@router.patch("/me")
async def change_me(
    patch: Merged[ProfilePatch], me: SignedIn, profiles: ProfilesDep, if_match: IfMatch, etag: ETag
) -> ProfileRead:
    """Changes what the caller decides about the account: its name, its locale and what clients keep with it."""
    user = await profiles.change(me.id, if_match, patch.changes())
    etag.set(user.version)
    return ProfileRead.own(user)
