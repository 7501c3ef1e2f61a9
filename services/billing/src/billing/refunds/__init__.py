"""How money goes back to who paid it: in steps, as it came in."""
