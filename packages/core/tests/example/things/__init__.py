"""Things: made, listed, announced."""
