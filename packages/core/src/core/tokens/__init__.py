"""Access tokens (RFC 9068): who signs them, who vouches for the keys, and what a service learns from one.

Here is what every module of a service may name; what needs cryptography is imported from the module that has it.
"""

from core.tokens.principal import Principal
from core.tokens.revocations import NothingRevoked, Revocations

__all__ = ["NothingRevoked", "Principal", "Revocations"]
