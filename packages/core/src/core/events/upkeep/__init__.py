"""What keeps the tables of events in order: measured, purged, told again, and what operators decide."""
