"""The transaction of a request, and its reads."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import ReadSession as DatabaseReads
from core.dependencies.resources import ResourcesDep
from core.routing import function_scoped


@function_scoped
async def _session(resources: ResourcesDep) -> AsyncIterator[AsyncSession]:
    async with resources.database.transaction() as session:
        yield session


async def _reads(resources: ResourcesDep) -> DatabaseReads:
    return resources.database.reads


# scope="function": a failed commit is an error for the caller, not a 200. It takes a connection at its first statement.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]

# Reads on a read-only connection, each on its own snapshot.
ReadSession = Annotated[DatabaseReads, Depends(_reads)]
