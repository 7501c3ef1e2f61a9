"""The command line of every service: `billing serve`, `billing dev`, `billing migrate`, and its own commands."""

from core.cli.applications import application_of, run_opened
from core.cli.failures import clear_failures
from core.cli.program import service_cli

__all__ = ["application_of", "clear_failures", "run_opened", "service_cli"]
