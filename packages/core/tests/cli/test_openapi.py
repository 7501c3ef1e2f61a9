"""The committed OpenAPI document on the command line: written where clients find it, and compared."""

import pytest

from core.cli import openapi
from core.cli.openapi import DIFFERENCE_LINES_MAX, committed_file, difference
from core.services import Service


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A file to write to, in place of the one that the tests of core come with."""
    file = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "committed_file", lambda _service: file)
    return file


def test_it_is_written_and_then_there_is_no_difference(run, committed):
    assert run("openapi", "--check").code == 1
    written = run("openapi", "--write")
    assert (written.code, written.out) == (0, "")
    assert committed.read_text() == run("openapi").out
    checked = run("openapi", "--check")
    assert (checked.code, checked.out, checked.err) == (0, "", "")


def test_what_is_committed_depends_on_the_code_alone(run, committed):
    run("openapi", "--write")
    assert run("openapi", "--check", EXAMPLE_ENVIRONMENT="production", EXAMPLE_ROUTERS='["things_v2"]').code == 0


def test_a_difference_is_shown_with_the_command_that_ends_it(run, committed):
    committed.write_text(run("openapi").out.replace('"title": "example"', '"title": "exemplar"'))
    ran = run("openapi", "--check")
    assert ran.code == 1
    assert '-    "title": "exemplar",' in ran.err.splitlines()
    assert '+    "title": "example",' in ran.err.splitlines()
    assert "example openapi --write" in ran.err


def test_a_long_difference_is_cut(tmp_path):
    told = difference(tmp_path / "none.json", "line\n" * 1_000).splitlines()
    assert len(told) == DIFFERENCE_LINES_MAX + 1
    assert told[-1] == f"and {1_000 + 3 - DIFFERENCE_LINES_MAX} lines more"


@pytest.mark.parametrize("option", ["--write", "--check"])
def test_an_installed_service_has_nothing_to_compare_with(run, monkeypatch, option):
    monkeypatch.setattr(openapi, "committed_file", lambda _service: None)
    ran = run("openapi", option)
    assert ran.code == 1
    assert "is installed here and not developed" in ran.err


def service_in(folder, monkeypatch):
    package = folder / "src/kiosk"
    package.mkdir(parents=True)
    (package / "app.py").write_text('"""A service."""')
    service = Service("kiosk", "kiosk.app")
    monkeypatch.syspath_prepend(str(folder / "src"))
    return service


def test_the_file_stands_beside_the_services_own_project(tmp_path, monkeypatch):
    service = service_in(tmp_path / "services/kiosk", monkeypatch)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "platform"\n')
    assert committed_file(service) is None
    (tmp_path / "services/kiosk/pyproject.toml").write_text('[project]\nname = "kiosk"\n')
    assert committed_file(service) == tmp_path / "services/kiosk/openapi.json"


def test_a_service_without_a_project_keeps_it_in_its_package(service):
    file = committed_file(service)
    assert file is not None
    assert file.parent.name == "example"
