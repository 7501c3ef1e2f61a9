"""The settings that every process has, and those that every service has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

from core.settings.fields import table_of
from core.settings.groups import (
    PORT_MAX,
    ClientSettings,
    CorsSettings,
    DatabaseSettings,
    EventSettings,
    LogSettings,
    MailSettings,
    RateLimitSettings,
    ServerSettings,
    TokenSettings,
    TracingSettings,
)
from core.settings.report import ConfigurationError, problems_in
from core.settings.strength import LENGTH_MIN, LOCAL_SECRET_KEY, weakness
from core.settings.trees import Values, groups_of, merged, plain, section
from core.settings.types import Fault, Frozen, SecretKey, SecretUrl, WebUrl

LOOPBACK = "127.0.0.1"
# A browser cannot open "every address"; this machine is one of them.
_EVERY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104 - looked up, not bound


class ChassisSettings(BaseSettings, frozen=True, extra="forbid", hide_input_in_errors=True, env_nested_delimiter="__"):
    """What any process built on core can be told. Constructing it reads no environment: `load` does.

    Raises:
        ConfigurationError: the values given are not acceptable; it names all that is wrong and shows no secret.
    """

    name: ClassVar[str] = ""

    environment: Literal["local", "staging", "production"] = Field(
        default="production", description="Where this runs; local is a laptop, with defaults for everything else."
    )
    secrets_dir: Path | None = Field(
        default=None, description="A folder with one file a secret, named like its variable; unset, /run/secrets."
    )
    server: ServerSettings = Field(default=ServerSettings(), description="How the process listens and stops.")
    public_url: WebUrl = Field(description="Where clients reach this service; every link in an answer starts with it.")
    logs: LogSettings = Field(default=LogSettings(), description="What is logged, and in which form.")
    tracing: TracingSettings = Field(default=TracingSettings(), description="How much is traced.")
    cors: CorsSettings = Field(default=CorsSettings(), description="Which web pages of other origins may call.")
    docs_enabled: bool = Field(default=True, description="Whether /docs and /openapi.json are answered.")

    def __init__(self, **values: Any) -> None:
        # Past BaseSettings, which would look into its sources: what is given is all there is.
        error = None
        try:
            super(BaseSettings, self).__init__(**values)
        except ValidationError as refused:
            error = refused
        # Outside of the except block: pydantic's error, which holds what it refused, does not become the context.
        if error is not None:
            raise ConfigurationError(self.name, problems_in(error, table_of(type(self))))

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        prefix = cls.model_config.get("env_prefix", "")
        if prefix and not (prefix.isupper() and prefix.endswith("_")):
            raise TypeError(f"{prefix!r} is not a prefix such as BILLING_: upper case, with an underscore at its end")
        cls.name = prefix.rstrip("_").lower()

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """What the environment `local` supplies beneath `given`. A service adds its own: `merged(super()…, {…})`."""
        return {
            "public_url": _local_url(section(given, "server")),
            "server": {"host": LOOPBACK, "drain_delay_s": 0},
            "logs": {"format": "console"},
            "tracing": {"ratio": 1},
        }

    @classmethod
    def demanded(cls, given: Mapping[str, Any]) -> Values:  # noqa: ARG003 - a hook
        """Groups that `given` makes necessary outside `local`, so that what they lack is named with all the rest."""
        return {}

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Lay what is given over the defaults of its environment, and that over the defaults of the class."""
        values = merged(groups_of(cls), plain(given))
        environment = values.get("environment", cls.model_fields["environment"].default)
        return merged(cls.local_defaults(values) if environment == "local" else cls.demanded(values), values)


class ServiceSettings(ChassisSettings):
    """What a service with a database can be told: `class Settings(ServiceSettings, env_prefix="BILLING_")`."""

    database: DatabaseSettings = Field(description="The database.")
    mail: MailSettings = Field(description="How mail leaves.")
    events: EventSettings = Field(description="How events travel between services.")
    clients: Frozen[ClientSettings] = Field(default={}, description="Sibling services that this one calls, by name.")
    tokens: TokenSettings = Field(default=TokenSettings(), description="Whose access tokens are believed.")
    rate_limits: RateLimitSettings = Field(default=RateLimitSettings(), description="How often clients may call.")
    routers: tuple[str, ...] = Field(
        default=(),
        description="The routers to serve, each named by its first tag; empty serves all. Events and jobs run anyway.",
    )
    secret_key: SecretKey = Field(description="The key that every other key of this service is derived from.")
    data_dir: Path | None = Field(default=None, description="Where a laptop keeps data; refused outside local.")

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """Mail goes into a folder, events stay in the process, and the key is one that everyone knows."""
        data_dir = Path(given.get("data_dir") or Path(".local", cls.name))
        mail = SecretUrl(f"file:{quote(str(data_dir / 'mail'))}")
        return merged(
            super().local_defaults(given),
            {
                "data_dir": data_dir,
                "mail": {"url": mail, "sender": f"{cls.name}@localhost"},
                "events": {"url": SecretUrl("local:")},
                "secret_key": LOCAL_SECRET_KEY,
            },
        )

    @classmethod
    def demanded(cls, given: Mapping[str, Any]) -> Values:
        """The client that issues the tokens, unless the issuer is given."""
        tokens = section(given, "tokens")
        issuer = tokens.get("issued_by")
        return merged(super().demanded(given), {"clients": {issuer: {}}} if issuer and not tokens.get("issuer") else {})

    @field_validator("tokens", mode="after")
    @classmethod
    def _issuer_of_the_client(cls, tokens: TokenSettings, info: ValidationInfo) -> TokenSettings:
        client = info.data.get("clients", {}).get(tokens.issued_by)
        return tokens if tokens.issuer or client is None else tokens.model_copy(update={"issuer": client.url})

    @field_validator("secret_key", mode="after")
    @classmethod
    def _not_guessable(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        reason = weakness(key.get_secret_value())
        if reason and (info.data.get("environment") != "local" or len(key) < LENGTH_MIN):
            raise Fault(reason)
        return key

    @field_validator("data_dir", mode="after")
    @classmethod
    def _only_on_a_laptop(cls, folder: Path | None, info: ValidationInfo) -> Path | None:
        if folder is not None and info.data.get("environment") != "local":
            raise Fault("only the environment local keeps data in a folder")
        return folder


def _local_url(server: Mapping[str, Any]) -> str:
    """Where a browser on this machine reaches a process that listens as `server` says."""
    host, port = str(server.get("host", LOOPBACK)), str(server.get("port", 8000))
    reached = _EVERY_ADDRESS.get(host, host)
    authority = f"[{reached}]" if ":" in reached else reached
    # A port that is none is refused in its own name, not in that of the URL as well.
    acceptable = port.isdecimal() and int(port) <= PORT_MAX
    return f"http://{authority}:{port}" if acceptable else f"http://{authority}"
