"""The HTTP conventions of every service: problem documents, pages of a list, probes, documentation."""
