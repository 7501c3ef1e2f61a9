"""What notes can be told, beyond what every service can."""

from pydantic import Field

from core.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="NOTES_"):
    """What notes can be told."""

    keep_pages_days: int = Field(
        default=365, ge=1, le=3_650, description="How long a page is kept after its last change."
    )
