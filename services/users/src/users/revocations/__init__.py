"""Whether a caller whose access token is valid is let in still: here it is known at once."""
