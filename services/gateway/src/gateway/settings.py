"""What the gateway can be told: `GATEWAY_…`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator

from core.settings import Accepts, ChassisSettings


class GatewaySettings(ChassisSettings, env_prefix="GATEWAY_"):
    """The settings of a process that is for a laptop and nothing else."""

    data_dir: Path | None = Field(
        default=None, description="Where databases, mail and keys live; .local/gateway if unset."
    )
    admin_email: Annotated[
        str,
        Field(pattern=r"^[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+$", max_length=254, description="Who may sign in as admin."),
        Accepts("a mail address"),
    ] = "admin@example.com"
    admin_password: SecretStr | None = Field(
        default=None, description="The admin's password; if unset, one is generated and kept in the data directory."
    )

    @field_validator("environment", mode="after")
    @classmethod
    def _only_local(cls, environment: Any) -> Any:
        if environment != "local":
            message = "the gateway is for local development; deploy each service on its own"
            raise ValueError(message)
        return environment
