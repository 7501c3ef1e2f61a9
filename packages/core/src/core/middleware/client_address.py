"""Who sent a request: behind proxies, X-Forwarded-For is believed as far as those who wrote it are."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, trusted: Sequence[Network]) -> str | None:
    """The address nearest to us that is no trusted proxy; None where the server knows none (a Unix socket)."""
    client = scope.get("client")
    if client is None:
        return None
    address: str = client[0]
    if not trusted:
        return address
    # Right to left: every proxy adds, at the end, the address that called it. The first stranger's word ends the walk.
    for forwarded in _forwarded(scope["headers"]):
        nearest = _parsed(address)
        if nearest is None or not any(nearest in network for network in trusted):
            break
        caller = _parsed(forwarded)
        if caller is None:
            break
        address = str(caller)
    return address


def is_trusted(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether the one who connected to us is in one of these networks."""
    client = scope.get("client")
    address = client and _parsed(client[0])
    return address is not None and any(address in network for network in trusted)


def _forwarded(headers: list[tuple[bytes, bytes]]) -> Iterator[str]:
    lists = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return (each.strip() for each in reversed(",".join(lists).split(",")))


def _parsed(text: str) -> Address | None:
    """The address, without a port; an IPv4 address that an IPv6 socket shows is the IPv4 address."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
