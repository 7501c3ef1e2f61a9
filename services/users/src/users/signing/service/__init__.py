"""What is done with signing keys: they sign, are published, and replaced."""

from users.signing.service.access_tokens import AccessTokens
from users.signing.service.keys import KeysUnusable, SigningKeys
from users.signing.service.rotation import Replaced, Rotation, Upcoming

__all__ = ["AccessTokens", "KeysUnusable", "Replaced", "Rotation", "SigningKeys", "Upcoming"]
