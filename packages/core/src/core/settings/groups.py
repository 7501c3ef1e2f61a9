"""The groups of settings that services share; every number bounded, its unit in its name."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from core.settings.types import (
    BusUrl,
    CorsOrigin,
    CountsUrl,
    DatabaseUrl,
    Fault,
    MailUrl,
    Network,
    Rate,
    SecretUrl,
    Sender,
    Token,
    WebUrl,
)

PORT_MAX = 65_535
# What a process needs beside the times that are set, until it is gone: it tells connections, and writes its last lines.
EXIT_S = 3


class Group(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True):
    """Settings that share a prefix (`BILLING_DATABASE__…`). A service's own groups derive from this too."""


class ServerSettings(Group):
    """How the process listens, what it accepts, and how it stops."""

    # Nobody reaches the loopback of a container; a laptop has 127.0.0.1 instead.
    host: str = Field(default="0.0.0.0", min_length=1, description="The address to listen on.")  # noqa: S104 - within a container
    port: int = Field(default=8000, ge=1, le=PORT_MAX, description="The port to listen on.")
    backlog: int = Field(default=2048, ge=1, le=65_535, description="Connections that may wait to be accepted.")
    keep_alive_s: int = Field(
        default=75, ge=1, le=3600, description="How long an idle connection stays open; longer than the edge keeps it."
    )
    connections_max: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Connections open at once; one more closes some of those that wait for a request.",
    )
    head_max_bytes: int = Field(
        default=65_536,
        ge=8192,
        le=1_048_576,
        description="The largest request head; a larger one is answered 431. More than the edge lets through.",
    )
    head_timeout_s: float = Field(
        default=10, gt=0, le=300, description="How long a request head may take to arrive once it has begun."
    )
    send_timeout_s: float = Field(
        default=30, gt=0, le=3600, description="How long a client may take nothing of its answer before it is cut off."
    )
    concurrency_max: int = Field(
        default=500, ge=1, le=10_000, description="Requests in progress at once; one more is answered 503."
    )
    body_max_bytes: int = Field(
        default=1_048_576,
        ge=1,
        le=104_857_600,
        description="The largest request body, unless its operation has a limit; a larger one is answered 413.",
    )
    body_timeout_s: float = Field(default=10, gt=0, le=300, description="How long a request body may take to arrive.")
    request_timeout_s: float = Field(
        default=12, gt=0, le=300, description="How long a request may take before it is cancelled and answered 504."
    )
    readiness_interval_s: float = Field(
        default=5, gt=0, le=60, description="How often the critical checks behind /readyz run."
    )
    loop_stall_ms: int = Field(
        default=100,
        ge=20,
        le=10_000,
        description="How long one step may hold the event loop before the log says where.",
    )
    open_timeout_s: float = Field(
        default=10, gt=0, le=120, description="How long one resource may take to open at startup."
    )
    drain_delay_s: float = Field(
        default=5, ge=0, le=60, description="How long to keep accepting after SIGTERM, while /readyz answers 503."
    )
    graceful_timeout_s: int = Field(
        default=15, ge=1, le=300, description="How long requests in flight may take to finish after that."
    )
    close_timeout_s: float = Field(
        default=5, gt=0, le=60, description="How long resources may take to close at the end."
    )
    termination_grace_s: float = Field(
        default=30, gt=0, le=900, description="When the orchestrator kills the process, counted from SIGTERM."
    )
    trusted_hosts: tuple[str, ...] = Field(
        default=(), description="Host headers to accept, such as api.example.com or *.example.com; empty accepts any."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="Networks whose X-Forwarded-For is believed; empty believes none."
    )

    @model_validator(mode="after")
    def _stops_in_time(self) -> Self:
        faults = []
        if self.request_timeout_s >= self.graceful_timeout_s:
            faults.append("a request may outlive the shutdown: request_timeout_s must be below graceful_timeout_s")
        if self.drain_delay_s + self.graceful_timeout_s + self.close_timeout_s + EXIT_S > self.termination_grace_s:
            faults.append(
                "the process would be killed while it stops: drain_delay_s + graceful_timeout_s + close_timeout_s "
                f"+ {EXIT_S} s must not exceed termination_grace_s"
            )
        if faults:
            raise Fault("; ".join(faults))
        return self


class LogSettings(Group):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    format: Literal["json", "console"] = Field(default="json", description="One JSON object a line, or lines to read.")


class TracingSettings(Group):
    """How much is traced; where the spans go, the variables OTEL_EXPORTER_OTLP_… say."""

    ratio: float = Field(
        default=0.01, ge=0, le=1, description="The share of requests that are traced, unless the caller decides it."
    )


class CorsSettings(Group):
    """Which web pages of other origins may call the API."""

    allow_origins: tuple[CorsOrigin, ...] = Field(default=(), description="Origins that may call; empty closes CORS.")
    allow_methods: tuple[Token, ...] = Field(
        default=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), description="Methods that such a page may use."
    )
    allow_headers: tuple[Token, ...] = Field(
        default=("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"),
        description="Request headers that such a page may send.",
    )
    expose_headers: tuple[Token, ...] = Field(
        default=(
            "Deprecation",
            "ETag",
            "Idempotent-Replayed",
            "Link",
            "Location",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "Sunset",
            "X-Request-ID",
        ),
        description="Response headers that such a page may read.",
    )
    allow_credentials: bool = Field(default=False, description="Whether such a page may send cookies.")
    max_age_s: int = Field(
        default=600, ge=0, le=86_400, description="How long a browser may keep a preflight's answer."
    )

    @model_validator(mode="after")
    def _any_origin_has_no_credentials(self) -> Self:
        # The Fetch standard, section 3.2.5: a browser refuses the pair, and reflecting the origin opens every session.
        if self.allow_credentials and "*" in self.allow_origins:
            raise Fault("allow_credentials needs named origins in allow_origins, not *")
        return self


class DatabaseSettings(Group):
    """The service's own PostgreSQL database."""

    url: DatabaseUrl = Field(description="The PostgreSQL database of this service alone.")
    pool_size: int = Field(default=10, gt=0, le=50, description="Connections for requests that write.")
    read_pool_size: int = Field(default=10, gt=0, le=50, description="Connections for requests that only read.")
    pool_timeout_s: float = Field(
        default=2, gt=0, le=30, description="How long a request may wait for a connection before it is answered 503."
    )
    connect_timeout_s: float = Field(default=3, gt=0, le=60, description="How long opening a connection may take.")
    statement_timeout_ms: int = Field(
        default=5_000, gt=0, le=300_000, description="How long one statement may run before PostgreSQL cancels it."
    )


class MailSettings(Group):
    """How mail leaves."""

    url: MailUrl = Field(description="The server that takes the mail.")
    sender: Sender = Field(description="The sender that mail shows.")
    timeout_s: float = Field(default=10, gt=0, le=120, description="How long handing over one message may take.")


class EventSettings(Group):
    """How events travel between services."""

    url: BusUrl = Field(description="The bus: NATS servers, or local: for services of one process.")
    stream: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = Field(
        default="events", description="The JetStream stream that all services share; it is made if it is not there."
    )


class RateLimitSettings(Group):
    """How often clients may call, and where that is counted."""

    per_client: Rate | None = Field(
        default=None, description="What one client address may ask of the whole service; more is answered 429."
    )
    storage: CountsUrl = Field(
        default=SecretUrl("memory://"), description="Where requests are counted; replicas that share it share limits."
    )


class TokenSettings(Group):
    """Whose access tokens are believed."""

    issuer: WebUrl | None = Field(
        default=None, description="The iss of tokens to believe; unset, the URL of the client that issued_by names."
    )
    issued_by: str | None = Field(default=None, description="The sibling service that issues tokens, one of clients.")
    jwks_url: WebUrl | None = Field(
        default=None, description="Where the issuer's keys are; unset, /.well-known/jwks.json of the issuer."
    )
    audience: str = Field(default="api", min_length=1, description="The `aud` that a token must name.")
    leeway_s: int = Field(default=10, ge=0, le=60, description="How far the issuer's clock may differ from ours.")


class ClientSettings(Group):
    """A sibling service that this one calls."""

    url: WebUrl = Field(description="Where the sibling service answers.")
    timeout_s: float = Field(default=10, gt=0, le=120, description="How long a call may take, retries included.")
    attempt_timeout_s: float = Field(default=3, gt=0, le=60, description="How long one attempt may take.")
    retries_max: int = Field(default=2, ge=0, le=5, description="How often a call that may be repeated is repeated.")

    @model_validator(mode="after")
    def _an_attempt_fits(self) -> Self:
        if self.attempt_timeout_s > self.timeout_s:
            raise Fault("an attempt may take longer than the call: attempt_timeout_s exceeds timeout_s")
        return self
