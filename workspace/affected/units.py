"""What can be touched: the members of the workspace, and the suites at its root that belong to no member."""

from typing import NamedTuple

Units = frozenset[str]

# Journeys over all services.
SYSTEM = "system"
# The tests of what makes services, and of this very answer: in copies of the repository, with its own sessions.
WORKSPACE = "workspace"

NOTHING: Units = frozenset()
SUITES: Units = frozenset({SYSTEM, WORKSPACE})
# Stands for every member and every suite.
EVERYTHING: Units = frozenset({"*"})


class Touch(NamedTuple):
    """Units, the kind of reason, and the path, table or package that is it."""

    units: Units
    because: str
    what: str
