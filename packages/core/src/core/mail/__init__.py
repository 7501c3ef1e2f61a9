"""Mail as a service sees it: one message to one address, handed to whatever the setting `mail.url` names."""

from core.mail.folder import Delivered, FolderMail, read_folder
from core.mail.message import Mail, MailRefused, MailUnavailable, Message
from core.mail.opening import open_mail

__all__ = [
    "Delivered",
    "FolderMail",
    "Mail",
    "MailRefused",
    "MailUnavailable",
    "Message",
    "open_mail",
    "read_folder",
]
