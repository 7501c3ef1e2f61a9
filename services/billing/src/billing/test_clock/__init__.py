"""The business clock of a sandbox, which can be moved forward: a year in an afternoon."""
