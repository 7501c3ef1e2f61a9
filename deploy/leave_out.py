"""Takes out of an environment what its service never reads: `leave_out.py ENVIRONMENT MANIFEST`."""

import shutil
import sys
import tomllib
from pathlib import Path


def main(environment: str, manifest: str) -> None:
    """Removes the tests of packages, and what fits `leave-out` of the service, a list of paths below site-packages.

    Raises:
        SystemExit: one fits nothing: the package is another than the one it was written for.
    """
    (packages,) = Path(environment).glob("lib/python*/site-packages")
    tool = tomllib.loads(Path(manifest).read_text(encoding="utf-8")).get("tool", {})
    for pattern in tool.get("image", {}).get("leave-out", []):
        found = list(packages.glob(pattern))
        if not found:
            sys.exit(f"{manifest}: leave-out has {pattern!r}, and there is nothing of the kind")
        for path in found:
            path.unlink()
    for tests in packages.glob("**/tests"):
        shutil.rmtree(tests)


if __name__ == "__main__":
    main(*sys.argv[1:])
