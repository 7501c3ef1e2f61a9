"""What is sold: plans, and the prices at which each is sold."""
