"""Access tokens that the measured service accepts: signed with the key of its data folder, as `bench token` would."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.ids import format_id, new_id
from core.opening import LOCAL_ISSUER
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token


def tokens(folder: Path, count: int) -> list[str]:
    """Different tokens, good for an hour."""
    key, now = LocalKey.open(folder, environment="local"), datetime.now(UTC)
    return [
        sign_access_token(
            key=key.private,
            kid=key.kid,
            issuer=LOCAL_ISSUER,
            audience=["api"],
            subject=format_id("usr", new_id()),
            client_id="bench",
            session_id=new_id(),
            scopes=(),
            roles=(),
            auth_time=now,
            now=now,
            lifetime=timedelta(hours=1),
        )
        for _ in range(count)
    ]
