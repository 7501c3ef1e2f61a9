"""Whether `/_dev` may exist here, and who may see it."""

import ipaddress

from fastapi import Request

from core.errors import Forbidden

LOCAL_NAMES = ("localhost",)


class NotThisMachine(Forbidden):
    """This page is for a browser on this machine, under one of its own names."""

    code = "not_this_machine"


def is_loopback(host: str) -> bool:
    """Whether an address or a name means this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in LOCAL_NAMES


async def this_machine_only(request: Request) -> None:
    """Refuses a page of another site that had its name resolve to this machine (DNS rebinding).

    Raises:
        NotThisMachine: the Host header names another machine.
    """
    if not is_loopback(_without_port(request.headers.get("host", ""))):
        raise NotThisMachine


def _without_port(host: str) -> str:
    return host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
