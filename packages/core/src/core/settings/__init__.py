"""Configuration: typed, bounded, read once out of layers that stay known, and passed on from there."""

from core.settings.describing import Row, describe, env_example, variables
from core.settings.groups import (
    ClientSettings,
    CorsSettings,
    DatabaseSettings,
    Group,
    LogSettings,
    MailSettings,
    ServerSettings,
    TokenSettings,
)
from core.settings.loading import Loaded, load
from core.settings.model import ChassisSettings, ServiceSettings
from core.settings.report import EX_CONFIG, ConfigurationError, Problem
from core.settings.trees import Values, merged
from core.settings.types import Accepts, DatabaseUrl, Frozen, MailUrl, SecretKey, SecretUrl, WebUrl
from core.settings.variables import Variable

__all__ = [
    "EX_CONFIG",
    "Accepts",
    "ChassisSettings",
    "ClientSettings",
    "ConfigurationError",
    "CorsSettings",
    "DatabaseSettings",
    "DatabaseUrl",
    "Frozen",
    "Group",
    "Loaded",
    "LogSettings",
    "MailSettings",
    "MailUrl",
    "Problem",
    "Row",
    "SecretKey",
    "SecretUrl",
    "ServerSettings",
    "ServiceSettings",
    "TokenSettings",
    "Values",
    "Variable",
    "WebUrl",
    "describe",
    "env_example",
    "load",
    "merged",
    "variables",
]
