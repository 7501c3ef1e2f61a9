"""The schema of the users service, one file a step."""
