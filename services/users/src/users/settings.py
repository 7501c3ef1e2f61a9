"""What the users service can be told: how passwords are kept, and how long sessions and tokens live."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from core.resources import Resources
from core.settings import Fault, Group, Limit, ServiceSettings, TokenSettings, Values, WebUrl, merged
from core.tokens.remote import MAX_AGE_S, REFETCH_INTERVAL_S

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
    # ASVS 5.0, 6.2.12. Off: it asks a stranger, who has to be chosen.
    breaches_url: WebUrl | None = Field(
        default=None,
        description="Where leaked passwords are looked up, such as https://api.pwnedpasswords.com/range.",
    )
    breaches_timeout_s: float = Field(
        default=1, gt=0, le=10, description="How long that may take, before the password is taken unasked."
    )

    @model_validator(mode="after")
    def _memory_is_enough_for_every_lane(self) -> Self:
        # RFC 9106, section 3.1: at least eight blocks of one KiB a lane.
        if self.hash_memory_kib < 8 * self.hash_parallelism:
            raise ValueError("hash_memory_kib is less than 8 times hash_parallelism")
        return self


class ThrottlingSettings(Group):
    """How often the password of one account may be tried, from wherever it is."""

    # NIST SP 800-63B-4, section 3.2.2, names waits that grow; a lock for good would let anybody lock anybody out.
    attempts_free: int = Field(default=5, ge=1, le=100, description="Attempts at an account before any has to wait.")
    wait_s_max: int = Field(
        default=900, ge=1, le=86_400, description="The longest wait between attempts; they grow from 1 s, twofold each."
    )
    forgotten_after_hours: int = Field(
        default=24, ge=1, le=720, description="How long after the end of a wait failed attempts are forgotten."
    )


class LimitSettings(Group):
    """How often strangers may ask for what needs no access token: by the address of the client, and of the mail."""

    sign_in: Limit = Field(default="30/minute", description="How often one client address may try to sign in.")
    registration: Limit = Field(default="10/hour", description="How often one client address may register.")
    # As a password reset: it has a mail sent, which people ask for again once or twice.
    verification: Limit = Field(
        default="20/hour", description="How often one client address may ask for the mail that verifies an address."
    )
    password_reset: Limit = Field(
        default="20/hour", description="How often one client address may ask for a password reset."
    )
    # Whoever has many client addresses could else bury one person in mail.
    mail_per_address: Limit = Field(
        default="5/hour", description="How often one mail address may be sent a verification, and a password reset."
    )
    # A client refreshes once in five minutes, and an office may have many behind one address.
    refresh: Limit = Field(default="150/5 minutes", description="How often one client address may refresh a session.")
    # A machine asks once in the life of a token, and its platform may have many behind one address.
    client_tokens: Limit = Field(
        default="60/minute", description="How often one client address may ask for the token of a machine client."
    )


class SessionSettings(Group):
    """How long somebody stays signed in."""

    # RFC 9068 leaves it open; five minutes is how long another service may believe a token that was revoked.
    access_token_lifetime_s: int = Field(default=300, ge=30, le=3_600, description="How long an access token is valid.")
    # ASVS 5.0, 7.3.1 and 7.3.2: a session ends when it is not used, and at its greatest age however much it is used.
    idle_days: int = Field(default=7, ge=1, le=90, description="After how long without a refresh a session ends.")
    absolute_days: int = Field(default=30, ge=1, le=365, description="After how long a session ends in any case.")
    # Long enough to look into what somebody did in it; it says from where they did.
    kept_days: int = Field(default=30, ge=1, le=365, description="How long after its end a session is kept.")
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


class SigningSettings(Group):
    """How long a key signs access tokens, and when others hear of it."""

    replaced_after_days: int = Field(default=90, ge=1, le=365, description="How long a key signs access tokens.")
    # OpenID Connect Core, section 10.1.1: the next key is published before it signs.
    published_before_use_s: int = Field(
        default=600, ge=1, le=86_400, description="How long a key is published before it signs."
    )
    reload_interval_s: float = Field(
        default=10, gt=0, le=60, description="How often a replica reads the keys anew; one that cannot stops signing."
    )

    @property
    def stale_after_s(self) -> float:
        """How old the keys that a replica signs with may be: a reload may fail, and come late."""
        return 3 * self.reload_interval_s

    @model_validator(mode="after")
    def _every_verifier_has_a_key_before_it_signs(self) -> Self:
        # A cache on the way keeps, for max-age, what a late replica said; who was given that asks again after a minute.
        needed_s = self.stale_after_s + MAX_AGE_S + REFETCH_INTERVAL_S
        if self.published_before_use_s < needed_s:
            raise Fault(
                f"published_before_use_s must be at least {needed_s:g}, so that every verifier has the key by then: "
                f"three times reload_interval_s, {MAX_AGE_S} that a key set may be kept, {REFETCH_INTERVAL_S} until a "
                "verifier asks again"
            )
        return self


class RegistrationSettings(Group):
    """How long strangers may leave an address with us that is not known to be theirs."""

    kept_days: int = Field(
        default=30, ge=7, le=365, description="How long a registration is kept that nobody confirms."
    )


class OneTimeTokenSettings(Group):
    """How long a token that was sent by mail works."""

    # ASVS 5.0, 6.5.5, would have ten minutes for what resets a password: mail may take as long, and nobody guesses 256
    # bits (docs/threat-model.md). A proof of an address may wait until its owner reads mail.
    verification_hours: int = Field(default=24, ge=1, le=168, description="How long an address can be verified.")
    reset_minutes: int = Field(default=30, ge=5, le=60, description="How long a new password can be set.")
    email_change_hours: int = Field(
        default=24, ge=1, le=168, description="How long a new address of an account can be confirmed."
    )


class PrivacySettings(Group):
    """How long somebody waits for what they may ask of those who hold their data."""

    # GDPR, article 12(3): one month.
    erasure_days: int = Field(
        default=30, ge=1, le=90, description="After how long a user is erased whom billing has not answered for."
    )


class Settings(ServiceSettings, env_prefix="USERS_"):
    """Every setting of the users service; `users settings` prints them."""

    passwords: PasswordSettings = Field(default=PasswordSettings(), description="Passwords.")
    registrations: RegistrationSettings = Field(default=RegistrationSettings(), description="Registrations.")
    throttling: ThrottlingSettings = Field(default=ThrottlingSettings(), description="Attempts at accounts.")
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits by address.")
    sessions: SessionSettings = Field(default=SessionSettings(), description="Sessions.")
    signing: SigningSettings = Field(default=SigningSettings(), description="Keys of access tokens.")
    one_time_tokens: OneTimeTokenSettings = Field(default=OneTimeTokenSettings(), description="Tokens sent by mail.")
    privacy: PrivacySettings = Field(default=PrivacySettings(), description="Erasure.")

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """No limits by address: on a laptop everybody is one client."""
        return merged(super().local_defaults(given), {"limits": dict.fromkeys(LimitSettings.model_fields, "off")})

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
