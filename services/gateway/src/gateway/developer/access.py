"""Whether `/_dev` may exist here, and who may see it."""

import ipaddress
import re

from fastapi import Request

from core.errors import Forbidden

LOCAL_NAMES = ("localhost",)
# RFC 9110, section 7.2: a name or an address, an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?")
# Fetch Metadata: typed in, or from a page of the gateway itself.
_OWN_SITE = ("none", "same-origin")


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
    """Refuses a page of another site, which may have had its name resolve to this machine (DNS rebinding).

    Raises:
        NotThisMachine: the Host header names another machine, or a page of another site asks.
    """
    hosts = request.headers.getlist("host")
    foreign = request.headers.get("sec-fetch-site", "none") not in _OWN_SITE
    if foreign or len(hosts) != 1 or not (named := _HOST.fullmatch(hosts[0])) or not is_loopback(named["host"]):
        raise NotThisMachine
