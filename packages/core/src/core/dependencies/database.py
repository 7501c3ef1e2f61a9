"""The transaction of a request, its reads, and, for work in several steps, transactions of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
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


TransactionFactory = Callable[[], AbstractAsyncContextManager[AsyncSession]]


async def _transactions(resources: ResourcesDep) -> TransactionFactory:
    return resources.database.transaction


# scope="function": a failed commit is an error for the caller, not a 200. It takes a connection at its first statement.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]

# Reads on a read-only connection, each on its own snapshot.
ReadSession = Annotated[DatabaseReads, Depends(_reads)]

# For money that moves in steps, with a call to a provider between two transactions.
Transactions = Annotated[TransactionFactory, Depends(_transactions)]
