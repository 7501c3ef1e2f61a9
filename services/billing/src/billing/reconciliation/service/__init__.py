"""What is done to compare the books, and what it finds."""

from billing.reconciliation.service.comparison import BEGINNING, Books, Reconciliation
from billing.reconciliation.service.report import Report

__all__ = ["BEGINNING", "Books", "Reconciliation", "Report"]
