"""Forgets sessions whose access tokens have all expired."""

from sqlalchemy import Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from core.database import Database
from core.events.tables import inbox_sequences
from core.ids import format_id
from core.revocations.hearing import refuse_session
from core.revocations.tables import revoked_sessions
from core.tokens.principal import SESSION_PREFIX

# At once, so that no statement runs for long.
ROWS_MAX = 1_000

_EXPIRED = (
    select(revoked_sessions.c.session_id)
    .where(revoked_sessions.c.expires_at <= func.now())
    .order_by(revoked_sessions.c.expires_at)
    .limit(ROWS_MAX)
)
_FORGET = (
    delete(revoked_sessions).where(revoked_sessions.c.session_id.in_(_EXPIRED)).returning(revoked_sessions.c.session_id)
)
# A session ends once: how far its events have come need not be known for ever.
_FORGET_SEQUENCES = delete(inbox_sequences).where(
    inbox_sequences.c.consumer == f"{refuse_session.__module__}.{refuse_session.__qualname__}",
    inbox_sequences.c.subject == func.any(bindparam("subjects", type_=ARRAY(Text))),
)


async def forget_revoked(database: Database) -> None:
    """Deletes what is no longer of use, some at a time."""
    forgotten = ROWS_MAX
    while forgotten == ROWS_MAX:
        async with database.transaction() as session:
            expired = (await session.scalars(_FORGET)).all()
            subjects = [format_id(SESSION_PREFIX, each) for each in expired]
            await session.execute(_FORGET_SEQUENCES, {"subjects": subjects})
        forgotten = len(expired)
