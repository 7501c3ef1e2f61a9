"""Who did what, and when: kept for good, changed by nobody."""
