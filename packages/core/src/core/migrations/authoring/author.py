"""Writes the next migration of a service, and says what it would have to do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, MetaData

from core.migrations.authoring.comparing import compare
from core.migrations.authoring.drafting import docstring_of, functions_of
from core.migrations.authoring.formatting import find_ruff, formatted
from core.migrations.authoring.ordering import steps
from core.migrations.authoring.reviewing import cautions
from core.migrations.authoring.sentences import sentences
from core.migrations.authoring.writing import Draft, written
from core.migrations.errors import MigrationError
from core.migrations.versions import next_name

CORE = "The tables that core keeps in the database of every service are made here, too."
INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True, slots=True)
class Written:
    """A new migration, and what a person has to look at in it."""

    path: Path
    cautions: Sequence[str]
    is_formatted: bool


@dataclass(frozen=True, slots=True)
class Author:
    """The folder of the migrations, their names, and the models; `of_core` are those that are not the service's own."""

    folder: Path
    names: Sequence[str]
    metadata: Sequence[MetaData]
    of_core: Sequence[MetaData]

    def differences(self, connection: Connection) -> list[str]:
        """What models and schema differ in, a sentence each."""
        return sentences(compare(connection, self.metadata)[0])

    def blank(self, message: str) -> Draft:
        """The next migration, with nothing in it.

        Raises:
            MigrationError: the message names no migration, or the service is not developed here.
        """
        if INSTALLED.intersection(self.folder.parts):
            raise MigrationError(f"{self.folder} is installed and not developed here: no migration is written into it")
        return Draft(next_name(self.names, message), self.names[-1] if self.names else None, docstring_of(message))

    def draft(self, connection: Connection, blank: Draft) -> Draft | None:
        """The next migration with what it has to say; None where that is nothing."""
        changes, context = compare(connection, self.metadata)
        if not changes:
            return None
        of_core = {table for each in self.of_core for table in each.tables}
        ordered = steps(changes, of_core=of_core)
        said = cautions([change for step in ordered for change in step.changes])
        # Rendering them says what they import.
        functions = functions_of(ordered, context, said)
        makes_core = blank.before is None and any(each.table in of_core for each in changes)
        return replace(
            blank,
            docstring=f"{blank.docstring}\n\n{CORE}\n" if makes_core else blank.docstring,
            imports=sorted(context.imports),
            functions=functions,
            cautions=[f"{change.table or 'types'}: {caution}" for change, caution in said.items()],
        )

    def write(self, draft: Draft) -> Written:
        """The file; blocking.

        Raises:
            MigrationError: it cannot be written.
        """
        path = self.folder / f"{draft.name}.py"
        text = written(draft, lambda text: formatted(text, path))
        try:
            with path.open("x") as file:
                file.write(text)
        except OSError as refused:
            raise MigrationError(f"{path} cannot be written: {refused.strerror}") from refused
        return Written(path, draft.cautions, is_formatted=find_ruff() is not None)
