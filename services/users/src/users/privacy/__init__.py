"""What the service holds of somebody: given out whole, and erased whole."""
