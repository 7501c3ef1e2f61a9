"""Passwords that are forgotten, or to be replaced."""

from fastapi import Depends

from core.dependencies import limited
from core.routing import Router, public
from users.accounts.dependencies import MailLimitDep
from users.accounts.schemas import Accepted
from users.recovery.dependencies import RecoveryDep
from users.recovery.schemas import PasswordChange, PasswordReset, PasswordResetRequest
from users.sessions.dependencies import SignedIn

password_resets = Router(prefix="/v1/password-resets", tags=["password_resets"])
own_password = Router(prefix="/v1/users/me/password", tags=["users"])


@password_resets.post(
    "", status_code=202, dependencies=[Depends(limited(lambda settings: settings.limits.password_reset))]
)
@public
async def request_reset(body: PasswordResetRequest, mails: MailLimitDep, recovery: RecoveryDep) -> Accepted:
    """Sends a token that sets a new password, if there is an account with this address that can be signed in to."""
    await mails.count("password_reset", to=body.email)
    await recovery.request(body.email)
    return Accepted()


@password_resets.post("/confirm", status_code=204)
@public
async def reset_password(body: PasswordReset, recovery: RecoveryDep) -> None:
    """Sets a new password by the token out of the mail, and ends every session of its user; nobody is signed in."""
    await recovery.reset(body.token.get_secret_value(), new_password=body.new_password.get_secret_value())


# Each has a password hashed before the current one is looked at.
@own_password.put("", status_code=204, dependencies=[Depends(limited("10/hour", by="caller"))])
async def change_password(body: PasswordChange, me: SignedIn, recovery: RecoveryDep) -> None:
    """Sets another password, and ends every session of the caller but the one of this access token."""
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    await recovery.change(me.id, current_password=current, new_password=new, session_id=me.session_id)
