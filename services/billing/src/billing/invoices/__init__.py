"""What is owed: invoices, their arithmetic and their numbers."""
