"""What tea can be told."""

from core.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="TEA_"):
    """Nothing of its own."""
