"""Which tests a change can make come out otherwise: members and suites, each with the reason."""
