"""What is signed and what works once: signing keys, access tokens, tokens sent by mail."""
