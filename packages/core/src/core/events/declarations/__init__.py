"""What a slice declares about events: what it announces, what it handles, and how it tells again what is."""
