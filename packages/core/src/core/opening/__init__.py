"""Opens what a service holds, in order: the chassis' own resources, then those that the service declares."""

from core.opening.access_tokens import LOCAL_ISSUER, heard_from
from core.opening.resources import open_resources

__all__ = ["LOCAL_ISSUER", "heard_from", "open_resources"]
