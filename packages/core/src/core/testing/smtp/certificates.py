"""Certificates for a server on this machine, which nobody trusts but who is given them."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in a file for the server; `trust` is what a client that knows it connects with."""

    file: Path
    trust: ssl.SSLContext


def certificate(folder: Path, *, address: str = "127.0.0.1", valid_days: int = 1) -> Certificate:
    """One for the server at `address`, in `folder`; with -1 day it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    until = datetime.now(UTC) + timedelta(days=valid_days)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial, until - timedelta(days=2), until)
    made = (
        builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    file = folder / f"{serial}.pem"
    file.write_bytes(private + made)
    return Certificate(file, ssl.create_default_context(cadata=made.decode()))
