"""Frees what dead processes held, where it is certain that they are dead: nobody waits for their leases to run out."""

from contextlib import suppress

import asyncpg

from core.events.tables import bus_positions, inbox, outbox

_FREE = "UPDATE {} SET leased_until = now() WHERE leased_until > now()"


async def free_leases(url: str) -> None:
    """Ends every lease in a database as if its time were over; an attempt that is under way can record nothing more.

    A database that lacks these tables has none.
    """
    connection = await asyncpg.connect(url)
    try:
        for table in (outbox, inbox, bus_positions):
            with suppress(asyncpg.UndefinedTableError):
                await connection.execute(_FREE.format(table.name))
    finally:
        await connection.close()
