"""Decisions about other people's accounts: what a change takes from somebody."""

from collections.abc import Collection
from dataclasses import dataclass

from users.accounts.models import Role, Status

# Whoever is neither has not proven their address yet, or is leaving: nobody else decides about them.
SETTLED = frozenset({Status.ACTIVE, Status.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to the product, and whether they may use it."""

    status: str
    roles: frozenset[str]

    @classmethod
    def of(cls, *, status: str, roles: Collection[str]) -> "Standing":
        """The same whatever the order of the roles."""
        return cls(status, frozenset(roles))

    @property
    def is_active_admin(self) -> bool:
        """Whether they may do everything."""
        return self.status == Status.ACTIVE and Role.ADMIN in self.roles

    def allows_less_than(self, before: "Standing") -> bool:
        """Whether somebody who stood there `before` may do less now."""
        return self.status != Status.ACTIVE or bool(before.roles - self.roles)
