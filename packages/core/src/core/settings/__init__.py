"""Configuration: typed, bounded, read once out of layers that stay known, and passed on from there."""

from core.settings.describing import Row, describe, env_example, outline, variables
from core.settings.groups import (
    EXIT_S,
    ClientSettings,
    CorsSettings,
    DatabaseSettings,
    EventSettings,
    Group,
    LogSettings,
    MailSettings,
    RateLimitSettings,
    ServerSettings,
    TokenSettings,
    TracingSettings,
)
from core.settings.loading import Loaded, gather, load, load_database
from core.settings.model import ChassisSettings, ServiceSettings
from core.settings.report import EX_CONFIG, ConfigurationError, Problem
from core.settings.trees import Values, merged
from core.settings.types import (
    Accepts,
    BusUrl,
    DatabaseUrl,
    Fault,
    Frozen,
    Limit,
    MailUrl,
    SecretKey,
    SecretUrl,
    WebUrl,
)
from core.settings.variables import Variable

__all__ = [
    "EXIT_S",
    "EX_CONFIG",
    "Accepts",
    "BusUrl",
    "ChassisSettings",
    "ClientSettings",
    "ConfigurationError",
    "CorsSettings",
    "DatabaseSettings",
    "DatabaseUrl",
    "EventSettings",
    "Fault",
    "Frozen",
    "Group",
    "Limit",
    "Loaded",
    "LogSettings",
    "MailSettings",
    "MailUrl",
    "Problem",
    "RateLimitSettings",
    "Row",
    "SecretKey",
    "SecretUrl",
    "ServerSettings",
    "ServiceSettings",
    "TokenSettings",
    "TracingSettings",
    "Values",
    "Variable",
    "WebUrl",
    "describe",
    "env_example",
    "gather",
    "load",
    "load_database",
    "merged",
    "outline",
    "variables",
]
