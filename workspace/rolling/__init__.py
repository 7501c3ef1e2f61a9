"""Whether two releases can stand on one schema: each one's tests, on the schema of the other."""
