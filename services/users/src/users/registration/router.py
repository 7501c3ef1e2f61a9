"""Registration, and the proof of an address."""

from fastapi import Depends

from core.dependencies import limited
from core.routing import Router, public
from users.accounts.dependencies import MailLimitDep
from users.accounts.schemas import Accepted, UserRead
from users.registration.dependencies import RegistrationsDep
from users.registration.schemas import Confirmation, Registration, VerificationRequest

registration = Router(prefix="/v1/users", tags=["users"])
verification = Router(prefix="/v1/email-verifications", tags=["email_verifications"])


@registration.post("", status_code=202, dependencies=[Depends(limited(lambda settings: settings.limits.registration))])
@public
async def register(body: Registration, registrations: RegistrationsDep) -> Accepted:
    """Registers an address; what comes next is told by mail, so that nobody learns here who has an account."""
    password = body.password.get_secret_value()
    await registrations.register(email=body.email, password=password, name=body.name, locale=body.locale)
    return Accepted()


@verification.post("", status_code=202, dependencies=[Depends(limited(lambda settings: settings.limits.verification))])
@public
async def request_verification(
    body: VerificationRequest, mails: MailLimitDep, registrations: RegistrationsDep
) -> Accepted:
    """Sends the mail that asks to confirm an address once more, if the address waits for one."""
    await mails.count("verification", to=body.email)
    await registrations.request_verification(body.email)
    return Accepted()


@verification.post("/confirm")
@public
async def confirm(body: Confirmation, registrations: RegistrationsDep) -> UserRead:
    """Confirms an address by the token out of the mail; its user may sign in from now on."""
    return UserRead.of(await registrations.confirm(body.token.get_secret_value()))
