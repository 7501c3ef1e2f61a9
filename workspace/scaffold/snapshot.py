"""Files and folders as they were, to be put back byte for byte."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What some paths held at one moment: contents and permissions of files; folders; or nothing yet."""

    paths: Sequence[Path]
    files: dict[Path, tuple[bytes, int]]
    folders: set[Path]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Snapshot":
        """Reads them."""
        found = _below(paths)
        files = {path: (path.read_bytes(), path.stat().st_mode) for path in found if path.is_file()}
        return cls(paths, files, {path for path in found if path.is_dir()})

    def restore(self) -> None:
        """Puts back what has changed or gone, and removes what has come."""
        for path in _below(self.paths):
            if path.is_dir() and path not in self.folders:
                shutil.rmtree(path)
            elif path.is_file() and path not in self.files:
                path.unlink()
        for folder in sorted(self.folders):
            folder.mkdir(exist_ok=True)
        for path, (content, mode) in self.files.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)
                path.chmod(mode)


def _below(paths: Sequence[Path]) -> list[Path]:
    """The paths that exist, and all that is in them; a folder before its content."""
    return [found for path in paths if path.exists() for found in (path, *sorted(path.rglob("*")))]
