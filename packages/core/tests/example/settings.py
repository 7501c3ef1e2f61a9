"""What the example can be told."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from core.settings import Group, Limit, ServiceSettings, Values, merged


class LimitSettings(Group):
    """How often one caller may do what."""

    make: Limit = Field(default="600/minute", description="How often one caller may make a thing.")


class Settings(ServiceSettings, env_prefix="EXAMPLE_"):
    """What the example can be told, beyond what every service can."""

    limits: LimitSettings = Field(default=LimitSettings(), description="How often one caller may do what.")

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """No limits: on a laptop everybody comes from one address."""
        return merged(super().local_defaults(given), {"limits": dict.fromkeys(LimitSettings.model_fields, "off")})
