"""How money comes in: payment methods, payments, and the provider that moves the money."""
