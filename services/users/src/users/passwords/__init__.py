"""What people prove themselves with: how it is hashed, checked, and refused when it is easy to guess."""
