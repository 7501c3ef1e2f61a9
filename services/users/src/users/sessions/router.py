"""Signing in, staying signed in, signing out."""

from fastapi import Depends

from core.dependencies import PageDep, limited
from core.routing import Router, public
from core.web.pages import PageOf
from users.sessions.dependencies import OriginDep, SessionsDep, SignedIn
from users.sessions.schemas import (
    OthersRevoked,
    Refresh,
    RevokeOthers,
    SessionId,
    SessionRead,
    SignedInRead,
    SignIn,
    TokenPair,
)

router = Router(prefix="/v1/sessions", tags=["sessions"])


@router.post("", status_code=201, dependencies=[Depends(limited(lambda settings: settings.limits.sign_in))])
@public
async def sign_in(body: SignIn, origin: OriginDep, sessions: SessionsDep) -> SignedInRead:
    """Starts a session: an access token for a few minutes, and a refresh token for the next one."""
    password = body.password.get_secret_value()
    grant = await sessions.start(email=body.email, password=password, device_name=body.device_name, origin=origin)
    return SignedInRead.of(grant)


@router.post("/refresh", dependencies=[Depends(limited(lambda settings: settings.limits.refresh))])
@public
async def refresh(body: Refresh, sessions: SessionsDep) -> TokenPair:
    """Exchanges the current refresh token for a new pair; a token that was exchanged before ends the session."""
    return TokenPair.of(await sessions.refresh(body.refresh_token.get_secret_value()))


@router.get("")
async def list_sessions(me: SignedIn, page: PageDep, sessions: SessionsDep) -> PageOf[SessionRead]:
    """The caller's own live sessions, the oldest first."""
    rows = await sessions.page(me.id, after=page.after, limit=page.limit)
    return page.of(
        rows,
        item=lambda row: SessionRead.of(row, current=me.session_id),
        position=lambda row: (row.created_at, row.id),
    )


@router.post("/revoke-others")
async def revoke_others(body: RevokeOthers, me: SignedIn, sessions: SessionsDep) -> OthersRevoked:
    """Ends every session of the caller but the one of the access token that is shown."""
    password = body.current_password.get_secret_value()
    return OthersRevoked(revoked=await sessions.revoke_others(me.session_id, user_id=me.id, password=password))


@router.delete("/current", status_code=204)
async def sign_out(me: SignedIn, sessions: SessionsDep) -> None:
    """Ends the session of the access token that is shown."""
    await sessions.revoke(me.session_id, user_id=me.id)


@router.delete("/{session_id}", status_code=204)
async def revoke_session(session_id: SessionId, me: SignedIn, sessions: SessionsDep) -> None:
    """Ends one of the caller's own sessions."""
    await sessions.revoke(session_id, user_id=me.id)
