"""Another address for an account: the owner proves it before it counts, and the former one is told."""
