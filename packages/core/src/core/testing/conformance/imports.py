"""What an import of the service takes along: not what only those need who open, serve, migrate or test it."""

import os
import subprocess
import sys
from typing import ClassVar

from core.services import Service

# Each is 5 to 30 ms of the start of every command, and megabytes of its memory.
OPENED = {
    "aiosmtplib": "core.mail.smtp, where mail goes to a server",
    "alembic": "core.migrations",
    "cryptography": "core.tokens, for a service that verifies tokens",
    "httpx": "core.client, for a service that has siblings",
    "jwt": "core.tokens, as cryptography",
    "nats": "core.events.bus.nats, where there is a broker",
    "opentelemetry.exporter": "core.tracing.export, where there is a collector",
    "opentelemetry.sdk": "core.tracing.sdk, where somebody is told of spans",
    "typer": "core.cli",
    "uvicorn": "core.server",
    "core.testing": "tests",
}
PRINTS_MODULES = "import sys, {}; print(*sys.modules)"


class Imports:
    # What the code of this service itself stands on.
    of_its_own: ClassVar[frozenset[str]] = frozenset()

    def test_what_opens_serves_or_tests_the_service_is_not_imported_with_it(self, service: Service) -> None:
        code = PRINTS_MODULES.format(service.module)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code]
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
        assert sorted(OPENED.keys() & set(said.split()) - self.of_its_own) == []
