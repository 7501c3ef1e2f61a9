"""The schema of acme's database, step by step."""
