"""How the next migration is written: compared, ordered, drafted, reviewed, formatted."""
