"""What a running process says about itself: the exchange of each request, and log lines."""
