"""Compares each committed openapi.json with an earlier revision's: a change that breaks clients must be waived.

A waiver stands in `services/<name>/openapi-waivers.toml`, with the version of the service that brings the change:

    [[waiver]]
    change = "GET /v1/plans > response 200 > field 'name': ..."   # as this program prints it
    version = "0.2.0"
    reason = "Nobody read it; agreed with the two clients that there are."

It counts while the earlier revision has another version; afterwards it is history.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specshift import diff_specs

Json = dict[str, Any]

MAIN = ("origin/main", "main")
# On average over the operations of a service, without white space: half as much again as the largest has now.
BYTES_AN_OPERATION_MAX = 3_000


@dataclass(frozen=True, slots=True)
class Waiver:
    """A breaking change that was agreed to."""

    change: str
    version: str
    reason: str


@dataclass(slots=True)
class Verdict:
    """What is wrong with one document, and what else there is to say."""

    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Every change that breaks a client, as a waiver has to name it."""
    found = diff_specs(_followed(old), _followed(new)).breaking_changes
    return sorted({f"{change.location}: {change.message}" for change in found})


def _followed(document: Json) -> Json:
    """A copy whose responses are in place: specshift follows references of schemas and parameters alone."""
    document = json.loads(json.dumps(document))
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    name = response["$ref"].rpartition("/")[2]
                    operation["responses"][status] = document["components"]["responses"][name]
    return document


def judged(old: Json, new: Json, waivers: list[Waiver]) -> Verdict:
    """Holds the changes against the waivers of the new version."""
    verdict = Verdict()
    changes = breaking_changes(old, new)
    before, now = old["info"]["version"], new["info"]["version"]
    active = {waiver.change: waiver for waiver in waivers if waiver.version == now != before}
    for change in changes:
        if change in active:
            verdict.notes.append(f"waived: {change} ({active[change].reason})")
        else:
            verdict.failures.append(f"breaks clients: {change}")
    verdict.failures += [f"waives nothing: {change}" for change in active.keys() - set(changes)]
    if changes and before == now:
        verdict.notes.append(f"a waiver needs a version that comes with the change: {now} was there before")
    return verdict


def waivers_in(file: Path) -> list[Waiver]:
    """The waivers of a service.

    Raises:
        ValueError: one has not exactly a change, a version and a reason, each of them a text.
    """
    found = tomllib.loads(file.read_text()).get("waiver", []) if file.is_file() else []
    wanted = {"change", "version", "reason"}
    for each in found:
        if each.keys() != wanted or not all(isinstance(text, str) and text.strip() for text in each.values()):
            raise ValueError(f"{file}: a waiver has a change, a version and a reason, and this one is {each}")
    return [Waiver(**each) for each in found]


def size_of(document: Json) -> tuple[int, int]:
    """The operations of a document, and its bytes without white space."""
    operations = sum(len(item) for item in document["paths"].values())
    return operations, len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def base_revision(root: Path) -> str | None:
    """Where this line of work left main; on main itself the commit before. None where no such commit is known."""
    for main in MAIN:
        base = _git(root, "merge-base", "HEAD", main)
        if base is not None:
            return base if base != _git(root, "rev-parse", "HEAD") else _git(root, "rev-parse", "--verify", "HEAD~1")
    return None


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=False, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def verdicts(root: Path, base: str | None) -> Iterator[tuple[str, Verdict]]:
    """What is to be said of each service below `root`, by name."""
    for file in sorted(root.glob("services/*/openapi.json")):
        document, name = json.loads(file.read_text()), file.parent.name
        yield name, _sized(document)
        committed = base and _git(root, "show", f"{base}:{file.relative_to(root)}")
        if committed:
            yield name, judged(json.loads(committed), document, waivers_in(file.with_name("openapi-waivers.toml")))
        elif base:
            yield name, Verdict(notes=["NOT COMPARED: the base has no such document"])


def _sized(document: Json) -> Verdict:
    operations, size = size_of(document)
    average = size // max(operations, 1)
    said = f"{operations} operations of {average} bytes on average ({BYTES_AN_OPERATION_MAX} at most)"
    return Verdict(failures=[said]) if average > BYTES_AN_OPERATION_MAX else Verdict(notes=[said])


def main(arguments: list[str], root: Path) -> int:
    """Prints what there is to say; 1 if a client would break, 2 if a waiver or `--base` cannot be read."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--base", help="The revision to compare with; where this line of work left main, if not given.")
    asked = parser.parse_args(arguments).base
    base = base_revision(root) if asked is None else _git(root, "rev-parse", "--verify", f"{asked}^{{commit}}")
    if asked is not None and base is None:
        _say(f"{asked} is no commit here")
        return 2
    _say(f"compared with {base}" if base else "NOT COMPARED: no commit to compare with is known (a shallow clone?)")
    failed = False
    try:
        for name, verdict in verdicts(root, base):
            for line in (*verdict.notes, *verdict.failures):
                _say(f"{name}: {line}")
            failed |= bool(verdict.failures)
    except ValueError as unreadable:
        _say(str(unreadable))
        return 2
    return int(failed)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).parents[2]))
