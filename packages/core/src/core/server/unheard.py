"""Ends a listening socket without losing those who have connected to it, whom the process has not heard yet."""

import array
import asyncio
import select
import socket
import struct
import sys
import time
from contextlib import suppress

# How long a handshake that has begun may take to end; none begins meanwhile.
HANDSHAKE_S = 0.1
# Where the kernel cannot keep off those who come now, they may never end.
ACCEPT_S_MAX = 1.0

# <asm-generic/socket.h>; Python has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# A classic BPF program, over the TCP header: what has SYN set and ACK not begins a connection, and is dropped.
_FIRST_PACKETS_DROPPED = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of the flags
        (0x54, 0, 0, 0x12),  # keep SYN and ACK of it
        (0x15, 0, 1, 0x02),  # unless it is SYN alone, skip one
        (0x06, 0, 0, 0),  # drop the packet
        (0x06, 0, 0, 0xFFFF_FFFF),  # take all of it
    )
)


def keep_off(listener: socket.socket) -> None:
    """From here on nobody connects; whose handshake has begun still does (Linux).

    Closing a socket resets those who wait to be accepted, and with each a request that may have been sent: so none may
    come between the last look and the close. Whoever tries meanwhile tries again after a second (RFC 6298), and is
    refused or finds the next process.
    """
    program = array.array("B", _FIRST_PACKETS_DROPPED)
    address, _ = program.buffer_info()
    _set_option(listener, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, address))


def let_in(listener: socket.socket) -> None:
    """Undoes it: the socket may be inherited from a process that has ended."""
    _set_option(listener, _SO_DETACH_FILTER, struct.pack("i", 0))


def _set_option(listener: socket.socket, option: int, value: bytes) -> None:
    if sys.platform == "linux":
        # A sandbox may not know it; and there may be nothing to undo.
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, option, value)


async def all_accepted(listener: socket.socket) -> None:
    """Returns when nobody waits to be accepted; the servers of the running loop accept meanwhile."""
    until = time.monotonic() + ACCEPT_S_MAX
    while is_readable(listener) and time.monotonic() < until:  # noqa: ASYNC110 - a kernel has no events for it
        await asyncio.sleep(0)


def is_readable(waiting: socket.socket) -> bool:
    """Whether the kernel has something for us that we have not read: a connection, or data, or its end."""
    poll = select.poll()
    poll.register(waiting, select.POLLIN)
    return bool(poll.poll(0))
