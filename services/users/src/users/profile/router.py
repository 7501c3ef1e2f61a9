"""The caller's own account."""

from typing import Annotated

from fastapi import Header, Response

from core.routing import Router
from users.accounts.dependencies import AccountsDep
from users.accounts.schemas import UserRead
from users.profile.rules import etag_of, is_listed
from users.sessions.dependencies import SignedIn

router = Router(prefix="/v1/users", tags=["users"])

IfNoneMatch = Annotated[str | None, Header(description="The ETag of what the caller has; 304 if it is still that.")]


@router.get("/me", response_model=UserRead, responses={304: {"description": "Nothing has changed."}})
async def read_me(
    me: SignedIn, accounts: AccountsDep, response: Response, if_none_match: IfNoneMatch = None
) -> UserRead | Response:
    """The account of the caller."""
    user = await accounts.get(me.id)
    headers = {"ETag": etag_of(user.version), "Cache-Control": "private, no-cache"}
    if is_listed(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return UserRead.of(user)
