"""What support and admins see and do of other people's accounts."""
