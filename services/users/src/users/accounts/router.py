"""Registration, and the proof of an address."""

from core.routing import Router
from users.accounts.dependencies import AccountsDep
from users.accounts.schemas import Accepted, Confirmation, Registration, UserRead, VerificationRequest

registration = Router(prefix="/v1/users", tags=["users"])
verification = Router(prefix="/v1/email-verifications", tags=["email_verifications"])


@registration.post("", status_code=202)
async def register(body: Registration, accounts: AccountsDep) -> Accepted:
    """Registers an address; what comes next is told by mail, so that nobody learns here who has an account."""
    password = body.password.get_secret_value()
    await accounts.register(email=body.email, password=password, name=body.name, locale=body.locale)
    return Accepted()


@verification.post("", status_code=202)
async def request_verification(body: VerificationRequest, accounts: AccountsDep) -> Accepted:
    """Sends the mail that asks to confirm an address once more, if the address waits for one."""
    await accounts.request_verification(body.email)
    return Accepted()


@verification.post("/confirm")
async def confirm(body: Confirmation, accounts: AccountsDep) -> UserRead:
    """Confirms an address by the token out of the mail; its user may sign in from now on."""
    return UserRead.of(await accounts.confirm(body.token.get_secret_value()))
