"""The table of settings: every variable of a settings class with its name, meaning, bounds and default."""

from dataclasses import dataclass, replace
from difflib import get_close_matches

from pydantic import Secret

from core.redaction import MASK, redact

Location = tuple[str, ...]

# Stands for the name that the operator chooses: BILLING_CLIENTS__<NAME>__URL.
ANY = "<name>"


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting as an operator sees it. `default` is text, None where there is none; `local` is that of a laptop."""

    name: str
    path: Location
    description: str
    accepts: str
    how: str
    required: bool
    secret: bool
    many: bool
    default: str | None
    local: str | None = None

    def show(self, value: object) -> str:
        """`value` as the variable would hold it, without what is secret."""
        if isinstance(value, Secret):
            return str(value)
        return MASK if self.secret and value is not None else redact(as_text(value))


@dataclass(frozen=True, slots=True)
class Table:
    """Every variable of one settings class, found by its place."""

    prefix: str
    variables: tuple[Variable, ...]

    @property
    def service(self) -> str:
        """The name behind the prefix."""
        return self.prefix.rstrip("_").lower()

    def name(self, path: Location) -> str:
        """`BILLING_DATABASE__URL` for `("database", "url")`."""
        return self.prefix + "__".join(path).upper()

    def path(self, name: str) -> Location:
        """`("database", "url")` for `BILLING_DATABASE__URL`, in upper or lower case."""
        return tuple(name[len(self.prefix) :].lower().split("__"))

    def owns(self, name: str) -> bool:
        """Whether a variable or file of this name is meant for this service."""
        return name.upper().startswith(self.prefix)

    def find(self, path: Location) -> Variable | None:
        """The variable at exactly this place."""
        for variable in self.variables:
            if _fits(variable.path, path):
                return replace(variable, name=self.name(path), path=path)
        return None

    def below(self, path: Location) -> list[str]:
        """The names of the variables in a group; none where there is no such group."""
        return [
            self.name(path + variable.path[len(path) :])
            for variable in self.variables
            if len(variable.path) > len(path) and _fits(variable.path[: len(path)], path)
        ]

    def nearest(self, path: Location) -> str | None:
        """The name that was probably meant."""
        meant = (
            tuple(given if key == ANY else key for key, given in zip(variable.path, path, strict=False))
            + variable.path[len(path) :]
            for variable in self.variables
        )
        # Without the prefix, which all have in common. 0.75: DATABASE_URL finds DATABASE__URL, COLOUR finds nothing.
        names = {"__".join(place): self.name(place) for place in meant}
        within = [self.name(variable.path) for variable in self.variables if variable.path[1:] == path]
        found = [names[name] for name in get_close_matches("__".join(path), names, n=1, cutoff=0.75)]
        return next(iter([*found, *within]), None)


def as_text(value: object) -> str:
    """`value` as a variable holds it: lists comma-separated, whole numbers without a point, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return repr(value).removesuffix(".0")
        case tuple() | list() | set() | frozenset():
            return ",".join(as_text(item) for item in value)
        case _:
            return str(value)


def _fits(pattern: Location, path: Location) -> bool:
    return len(pattern) == len(path) and all(a in {b, ANY} for a, b in zip(pattern, path, strict=True))
