"""Other people's accounts: support sees them, admins change them."""

from operator import attrgetter

from core.dependencies import Conditional, ETag, IfMatch
from core.routing import Router
from core.web.pages import PageOf
from core.web.patches import Merged
from users.accounts.dependencies import AccountsDep
from users.accounts.schemas import Accepted, UserId, UserRead
from users.administration.dependencies import AdministrationDep, Reader, UserPageDep, UserQueryDep, Writer
from users.administration.schemas import UserPatch

router = Router(prefix="/v1/users", tags=["users"])


@router.get("")
async def list_users(
    query: UserQueryDep, page: UserPageDep, accounts: AccountsDep, _reader: Reader
) -> PageOf[UserRead]:
    """Users, the oldest first; those who are gone are there without anything that names them."""
    rows = await accounts.page(query.filters(), after=page.after, limit=page.limit)
    return page.of(rows, item=UserRead.of, position=attrgetter("created_at", "id"))


@router.get("/{user_id}")
async def read_user(user_id: UserId, accounts: AccountsDep, conditional: Conditional, _reader: Reader) -> UserRead:
    """One user."""
    user = await accounts.get(user_id)
    conditional.check(user.version)
    return UserRead.of(user)


@router.patch("/{user_id}")
async def change_user(
    *,
    user_id: UserId,
    patch: Merged[UserPatch],
    administration: AdministrationDep,
    writer: Writer,
    if_match: IfMatch,
    etag: ETag,
) -> UserRead:
    """Changes what a user may do, suspends or reinstates them; what takes something from them ends their sessions."""
    user = await administration.change(user_id, actor=writer.subject, expected=if_match, **patch.changes())
    etag.set(user.version)
    return UserRead.of(user)


@router.post("/{user_id}/password-reset", status_code=202)
async def send_password_reset(user_id: UserId, administration: AdministrationDep, writer: Writer) -> Accepted:
    """Sends a user the mail with which they choose a new password; nobody else sees or sets it."""
    await administration.send_password_reset(user_id, actor=writer.subject)
    return Accepted()


@router.delete("/{user_id}/sessions", status_code=204)
async def revoke_sessions(user_id: UserId, administration: AdministrationDep, writer: Writer) -> None:
    """Ends every session of a user."""
    await administration.revoke_sessions(user_id, actor=writer.subject)
