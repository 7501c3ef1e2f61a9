"""What is done with invoices, and what is refused on the way."""

from billing.invoices.service.documents import InvalidTransition, InvoiceNotFound, Invoices
from billing.invoices.service.drafts import Drafts, InvoiceEmpty, InvoiceTooLarge
from billing.invoices.service.views import InvoiceViews

__all__ = [
    "Drafts",
    "InvalidTransition",
    "InvoiceEmpty",
    "InvoiceNotFound",
    "InvoiceTooLarge",
    "InvoiceViews",
    "Invoices",
]
