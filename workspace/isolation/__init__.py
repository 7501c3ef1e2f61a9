"""Each member in isolation: what it imports is declared, and its wheel runs where no sibling is installed."""
