"""What coffee can be told."""

from core.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="COFFEE_"):
    """Nothing of its own."""
