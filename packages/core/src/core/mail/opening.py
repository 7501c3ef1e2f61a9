"""From the setting `mail.url` to what takes the messages."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.mail.folder import FolderMail
from core.mail.message import TOTAL_TIMEOUT_S, Mail

# RFC 6409 (submission) and RFC 8314 (submission over TLS).
SMTP_PORT = 587
SMTPS_PORT = 465


def open_mail(url: str, sender: str, *, timeout_s: float = TOTAL_TIMEOUT_S) -> Mail:
    """`smtp://user:password@host:port`, `smtps://…`, or `file:<folder>`; opens nothing yet.

    Raises:
        ValueError: the URL is none of these, or the sender is no address; the message shows neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return FolderMail(Path(unquote(parts.path)), sender)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("a mail URL is smtp://host, smtps://host or file:folder")
    from core.mail.smtp import SmtpMail  # noqa: PLC0415 - it has a library of its own, which a folder needs not

    implicit_tls = parts.scheme == "smtps"
    return SmtpMail(
        host=parts.hostname,
        port=parts.port or (SMTPS_PORT if implicit_tls else SMTP_PORT),
        sender=sender,
        implicit_tls=implicit_tls,
        total_timeout_s=timeout_s,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
