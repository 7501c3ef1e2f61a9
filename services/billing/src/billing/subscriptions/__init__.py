"""What is bought again and again: subscriptions and their states."""
