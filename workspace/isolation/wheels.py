"""Looks into a wheel: it has what the source has, nothing else, and says what pyproject.toml says."""

from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

from workspace.members import Member


def breaches_of_wheel(wheel: Path, member: Member) -> Iterator[str]:
    """What differs between a wheel and the member that it was built from."""
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    packed = {name for name in names if ".dist-info/" not in name}
    source = set(_source_of(member.folder / "src"))
    yield from (f"{wheel.name} lacks {name}" for name in sorted(source - packed))
    yield from (f"{wheel.name} has {name}, which is no part of {member.name}" for name in sorted(packed - source))
    yield from _breaches_of_metadata(wheel, metadata, member)


def _source_of(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield str(path.relative_to(folder))


def _breaches_of_metadata(wheel: Path, text: str, member: Member) -> Iterator[str]:
    metadata = Parser().parsestr(text)
    if metadata["Requires-Python"] != member.requires_python:
        yield f"{wheel.name} requires Python {metadata['Requires-Python']}, not {member.requires_python}"
    required = {Requirement(each) for each in metadata.get_all("Requires-Dist", [])}
    yield from (f"{wheel.name} does not require {each}" for each in member.dependencies if each not in required)
