"""Room for connections: what the process may open, and who has to go when all of it is taken."""

import heapq
import resource
from contextlib import suppress
from typing import Any

import structlog

# What a process opens beside connections of clients: listeners, databases, logs, siblings.
RESERVED = 256
# How many go at once: to find who has waited longest means to look at all.
_SHARE = 100

log = structlog.get_logger("core.server")


def room_for(connections_max: int) -> int:
    """How many connections there may be: `connections_max`, or fewer where the system allows no more files."""
    needed = connections_max + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS says that there is no limit, and has one.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections_max
    allowed = max(soft - RESERVED, soft // 2)
    log.warning("too few files may be open", limit=soft, needed=needed, connections_max=allowed)
    return allowed


def make_room(connections: set[Any], *, connections_max: int) -> None:
    """Closes some of the connections that have no request, first those that would be closed first anyway."""
    waiting = [each for each in connections if each.timeout_keep_alive_task is not None]
    leaving = heapq.nsmallest(
        max(connections_max // _SHARE, 1), waiting, key=lambda each: each.timeout_keep_alive_task.when()
    )
    for connection in leaving:
        connection.transport.abort()
        # At once, and not when the loop comes to it: others may be accepted before.
        connections.discard(connection)
    log.warning("too many connections", connections_max=connections_max, closed=len(leaving))
