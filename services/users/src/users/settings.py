"""What the users service can be told: how passwords are kept, and how long sessions and tokens live."""

from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from core.resources import Resources
from core.settings import Group, ServiceSettings, TokenSettings

# OWASP Password Storage Cheat Sheet: the weakest setting that it lists is m=7168 KiB with t=5; the others cost as much.
HASH_MEMORY_KIB_FLOOR = 7_168
HASH_COST_FLOOR = 7_168 * 5


class PasswordSettings(Group):
    """What is accepted as a password, and what it costs to try one."""

    # NIST SP 800-63B-4, section 3.1.1.2: 15 where the password is the only factor, and at least 64 must be accepted.
    length_min: int = Field(default=15, ge=15, le=64, description="The fewest code points of a password.")
    length_max: int = Field(default=256, ge=64, le=1_024, description="The most code points of a password.")
    # ASVS 5.0, 6.1.2: words that are easy to guess because of where they are used.
    context_words: tuple[str, ...] = Field(
        default=(), description="Words that do not make a password, such as the name of the product."
    )
    # OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes and one lane.
    hash_memory_kib: int = Field(default=19_456, ge=8, le=1_048_576, description="Memory of one argon2id hash.")
    hash_iterations: int = Field(default=2, ge=1, le=20, description="Passes of argon2id over that memory.")
    hash_parallelism: int = Field(default=1, ge=1, le=16, description="Lanes of one argon2id hash.")
    hash_concurrency: int | None = Field(
        default=None, ge=1, le=64, description="Hashes at once, a thread each; unset, one for each CPU."
    )
    # At some 20 ms a hash and CPU, 64 wait for less than the second that a refused caller is told to wait.
    hash_queue_max: int = Field(
        default=64, ge=1, le=1_024, description="Hashes that may wait for a thread; one more is answered 503."
    )

    @model_validator(mode="after")
    def _memory_is_enough_for_every_lane(self) -> Self:
        # RFC 9106, section 3.1: at least eight blocks of one KiB a lane.
        if self.hash_memory_kib < 8 * self.hash_parallelism:
            raise ValueError("hash_memory_kib is less than 8 times hash_parallelism")
        return self


class SessionSettings(Group):
    """How long somebody stays signed in."""

    # RFC 9068 leaves it open; five minutes is how long another service may believe a token that was revoked.
    access_token_lifetime_s: int = Field(default=300, ge=30, le=3_600, description="How long an access token is valid.")
    # ASVS 5.0, 7.3.1 and 7.3.2: a session ends when it is not used, and at its greatest age however much it is used.
    idle_days: int = Field(default=7, ge=1, le=90, description="After how long without a refresh a session ends.")
    absolute_days: int = Field(default=30, ge=1, le=365, description="After how long a session ends in any case.")
    # RFC 9700, section 4.14.2, asks for rotation; a client that retries, or has two tabs, is no thief.
    refresh_leeway_s: int = Field(
        default=10,
        ge=0,
        le=60,
        description="How long after its rotation the previous refresh token is still answered; 0 is strict.",
    )

    @model_validator(mode="after")
    def _idle_within_absolute(self) -> Self:
        if self.idle_days > self.absolute_days:
            raise ValueError("idle_days exceeds absolute_days")
        return self


class OneTimeTokenSettings(Group):
    """How long a token that was sent by mail works."""

    # ASVS 5.0, 6.5.5, bounds what resets a password; a proof of an address may wait until its owner reads mail.
    verification_hours: int = Field(default=24, ge=1, le=168, description="How long an address can be verified.")


class Settings(ServiceSettings, env_prefix="USERS_"):
    """Every setting of the users service; `users settings` prints them."""

    passwords: PasswordSettings = Field(default=PasswordSettings(), description="Passwords.")
    sessions: SessionSettings = Field(default=SessionSettings(), description="Sessions.")
    one_time_tokens: OneTimeTokenSettings = Field(default=OneTimeTokenSettings(), description="Tokens sent by mail.")

    @field_validator("tokens", mode="after")
    @classmethod
    def _issues_them_itself(cls, tokens: TokenSettings, info: ValidationInfo) -> TokenSettings:
        issuer = tokens.issuer or info.data.get("public_url")
        return tokens.model_copy(update={"issuer": issuer})

    @field_validator("passwords", mode="after")
    @classmethod
    def _hashes_are_costly(cls, passwords: PasswordSettings, info: ValidationInfo) -> PasswordSettings:
        cost = passwords.hash_memory_kib * passwords.hash_iterations
        weak = passwords.hash_memory_kib < HASH_MEMORY_KIB_FLOOR or cost < HASH_COST_FLOOR
        if weak and info.data.get("environment") != "local":
            raise ValueError("hash_memory_kib and hash_iterations make hashes too cheap to protect passwords")
        return passwords


def secret_of(resources: Resources) -> str:
    """The secret that every key of this service is derived from."""
    key: SecretStr = resources.settings.secret_key
    return key.get_secret_value()
