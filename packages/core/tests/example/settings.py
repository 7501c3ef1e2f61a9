"""What the example can be told."""

from core.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="EXAMPLE_"):
    """Nothing of its own."""
