"""What is one client: an IPv4 address, or the network that one IPv6 subscriber has."""

import pytest

from core.rate_limits import address_key


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002:0:0:0:9"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
        (None, None),
    ],
)
def test_these_are_one_client(address, other):
    assert address_key(address) == address_key(other)


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("192.0.2.1", None),
    ],
)
def test_these_are_two(address, other):
    assert address_key(address) != address_key(other)
