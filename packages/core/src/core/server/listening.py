"""The socket that a process listens on."""

import errno
import socket

# Until the server starts, which has a setting for it.
_BACKLOG = 2048


class ListenError(Exception):
    """The address cannot be listened on; the text is one sentence that says why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; taken before anything starts, so that a port in use costs nothing.

    Raises:
        ListenError: another process listens there, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # At once: two sockets may be bound to one address, but only one may listen.
        listener.listen(_BACKLOG)
    except OSError as failed:
        listener.close()
        if failed.errno == errno.EADDRINUSE:
            message = f"Port {port} on {host} is in use by another process; choose another with --port."
        else:
            message = f"Cannot listen on port {port} of {host}: {failed.strerror or failed}."
        raise ListenError(message) from None
    return listener
