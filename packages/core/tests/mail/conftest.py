"""A real mail server, and certificates for it."""

from collections.abc import Callable
from typing import Any

import pytest

from core.mail.smtp import SmtpMail
from core.testing.smtp import Certificate, SmtpServer, certificate


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that only a client that is given it trusts."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def mail_to() -> Callable[..., SmtpMail]:
    """`mail_to(server, password="…")`: the client of a server."""

    def run(server: SmtpServer, **chosen: Any) -> SmtpMail:
        return SmtpMail(host="127.0.0.1", port=server.port, sender="Example <no-reply@example.com>", **chosen)

    return run
