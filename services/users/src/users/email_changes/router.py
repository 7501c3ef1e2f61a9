"""Changes of an address."""

from fastapi import Depends

from core.dependencies import ETag, limited
from core.routing import Router
from users.accounts.dependencies import MailLimitDep
from users.accounts.schemas import Accepted, UserRead
from users.email_changes.dependencies import EmailChangesDep
from users.email_changes.schemas import EmailChangeConfirmation, EmailChangeRequest
from users.sessions.dependencies import SignedIn

router = Router(prefix="/v1/users/me/email-changes", tags=["email_changes"])


# Each asks for a mail to an address of somebody's whom the caller names.
@router.post("", status_code=202, dependencies=[Depends(limited("10/hour", by="caller"))])
async def request_email_change(
    body: EmailChangeRequest, me: SignedIn, mails: MailLimitDep, email_changes: EmailChangesDep
) -> Accepted:
    """Sends a token to the new address; that it is somebody's already is told by mail, to its owner alone."""
    await mails.count("email_change", to=body.new_email)
    password = body.current_password.get_secret_value()
    await email_changes.request(me.id, new_email=body.new_email, current_password=password)
    return Accepted()


@router.post("/confirm")
async def confirm_email_change(
    body: EmailChangeConfirmation, me: SignedIn, email_changes: EmailChangesDep, etag: ETag
) -> UserRead:
    """Gives the caller the new address, and ends every session of theirs but the one of this access token."""
    user = await email_changes.confirm(body.token.get_secret_value(), user_id=me.id, session_id=me.session_id)
    etag.set(user.version)
    return UserRead.of(user)
