"""Which requests come from one client, as far as an address tells."""

from ipaddress import IPv6Address

# What one subscriber is given at the least (RFC 6177, section 2): whoever has one address there has them all.
_HOST_BITS = 64
UNKNOWN = "unknown"


def address_key(address: str | None) -> str:
    """The address of an IPv4 client, the /64 network of an IPv6 client; one key for all without an address."""
    if address is None or ":" not in address:
        return address or UNKNOWN
    parsed = IPv6Address(address)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> _HOST_BITS:x}::/64"
