"""Opens what a service holds, in order: the chassis' own resources, then those that the service declares."""

from core.opening.issuers import LOCAL_ISSUER, heard_from

__all__ = ["LOCAL_ISSUER", "heard_from"]
