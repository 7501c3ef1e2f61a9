"""The chassis that every service stands on."""
