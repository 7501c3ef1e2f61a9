"""Every query on machine clients, and on the assertions that they have shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database, Query
from users.clients.models import LIVE, ClientAssertion, ServiceClient


class ProofRow(BaseModel, frozen=True):
    """What a client that was not revoked is proven by, and what it may do."""

    id: UUID
    scopes: list[str]
    secret_digest: bytes | None
    public_jwk: dict[str, Any] | None


_PROOF = Query(
    select(*(getattr(ServiceClient, name) for name in ProofRow.model_fields)).where(
        ServiceClient.id == bindparam("id"), ServiceClient.revoked_at.is_(None)
    ),
    ProofRow,
)


@dataclass(frozen=True, slots=True)
class ClientRepository:
    """Machine clients, in the transaction of `session`."""

    session: AsyncSession

    async def add(self, client: dict[str, Any]) -> bool:
        """Adds a client; False if a live one has its name."""
        statement = (
            insert(ServiceClient)
            .values(client)
            .on_conflict_do_nothing(index_elements=[ServiceClient.name], index_where=LIVE)
            .returning(ServiceClient.id)
        )
        return await self.session.scalar(statement) is not None

    async def revoke(self, *, client_id: UUID | None, name: str, at: datetime) -> UUID | None:
        """Revokes the live client of an id or a name; None if there is none."""
        which = or_(ServiceClient.id == client_id, ServiceClient.name == name)
        statement = (
            update(ServiceClient)
            .where(which, ServiceClient.revoked_at.is_(None))
            .values(revoked_at=at)
            .returning(ServiceClient.id)
        )
        return await self.session.scalar(statement)

    async def all(self) -> Sequence[ServiceClient]:
        """Every client, the oldest first."""
        return (await self.session.scalars(select(ServiceClient).order_by(ServiceClient.id))).all()


@dataclass(frozen=True, slots=True)
class ProofRepository:
    """What clients are proven by, and have been; no transaction is needed for either."""

    database: Database

    async def find(self, client_id: UUID) -> ProofRow | None:
        """What a live client is proven by."""
        return await self.database.reads.first(_PROOF, id=client_id)

    async def add_assertion(self, client_id: UUID, *, jti_digest: bytes, expires_at: datetime) -> bool:
        """Writes down that an assertion was shown, committed at once; False if it was before."""
        statement = (
            insert(ClientAssertion)
            .values(client_id=client_id, jti_digest=jti_digest, expires_at=expires_at)
            .on_conflict_do_nothing()
            .returning(ClientAssertion.client_id)
        )
        async with self.database.statement() as connection:
            return await connection.scalar(statement) is not None

    async def forget_assertions(self, *, before: datetime) -> None:
        """Deletes those that had expired by then."""
        async with self.database.statement() as connection:
            await connection.execute(delete(ClientAssertion).where(ClientAssertion.expires_at < before))
