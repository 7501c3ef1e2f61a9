"""A real SMTP server for tests: it may be killed and started again, told what to answer, and asked what came."""

from core.testing.smtp.certificates import Certificate, certificate
from core.testing.smtp.server import Received, SmtpServer, smtp_server

__all__ = ["Certificate", "Received", "SmtpServer", "certificate", "smtp_server"]
