"""What the provider tells: verified, stored once, answered at once, and applied afterwards."""
