"""The caller's own account."""

from core.dependencies import Conditional
from core.routing import Router
from users.accounts.dependencies import AccountsDep
from users.accounts.schemas import UserRead
from users.sessions.dependencies import SignedIn

router = Router(prefix="/v1/users", tags=["users"])


@router.get("/me")
async def read_me(me: SignedIn, accounts: AccountsDep, conditional: Conditional) -> UserRead:
    """The account of the caller."""
    user = await accounts.get(me.id)
    conditional.check(user.version)
    return UserRead.of(user)
