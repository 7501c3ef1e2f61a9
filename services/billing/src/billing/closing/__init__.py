"""How a customer is closed: what a user who leaves has bought ends, and what the law does not ask for is forgotten."""
