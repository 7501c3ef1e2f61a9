"""What somebody may ask of those who hold their data: all of it, and that it goes."""

from fastapi import Depends

from core.dependencies import limited
from core.routing import Router
from users.privacy.dependencies import PrivacyDep
from users.privacy.schemas import ErasureRead, ErasureRequest, Export
from users.sessions.dependencies import SignedIn

router = Router(prefix="/v1/users/me", tags=["users"])


@router.get("/export", dependencies=[Depends(limited("10/hour", by="caller"))])
async def export_me(me: SignedIn, privacy: PrivacyDep) -> Export:
    """All that this service holds of the caller."""
    return Export.of(await privacy.export(me.id))


@router.delete("", status_code=202)
async def erase_me(body: ErasureRequest, me: SignedIn, privacy: PrivacyDep) -> ErasureRead:
    """Closes the account of the caller at once; what is held of them is erased when every other service has done so."""
    password = body.current_password.get_secret_value()
    return ErasureRead(erased_by=await privacy.request_erasure(me.id, password=password))
