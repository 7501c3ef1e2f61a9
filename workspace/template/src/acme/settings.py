"""What acme can be told beyond what every service can."""

from pydantic import Field

from core.settings import ServiceSettings, TokenSettings


class Settings(ServiceSettings, env_prefix="ACME_"):
    """The settings of acme."""

    tokens: TokenSettings = Field(
        default=TokenSettings(issued_by="users"), description="Whose access tokens are believed."
    )
