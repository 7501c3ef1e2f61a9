"""The schema of notes, one module a step."""
