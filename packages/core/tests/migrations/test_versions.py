"""Migrations as files: what they are named, and what follows what."""

import pytest

from core.migrations import MigrationError, Migrations
from core.migrations.versions import names_in, next_name


def files(folder, *names):
    for name in ("__init__", *names):
        (folder / f"{name}.py").touch()
    return folder


def test_migrations_are_read_in_the_order_of_their_numbers(tmp_path):
    files(tmp_path, "0002_refunds", "0010_taxes", "0001_start")
    (tmp_path / "__pycache__").mkdir()
    assert names_in(tmp_path) == ["0001_start", "0002_refunds", "0010_taxes"]


@pytest.mark.parametrize(
    "name", ["1_start", "0001", "0001-start", "0001_Start", "0001_", "start", "a" * 29, "0001_" + "a" * 28]
)
def test_a_file_that_is_named_otherwise_is_an_error(tmp_path, name):
    with pytest.raises(MigrationError, match="is not named like 0001_add_refunds"):
        names_in(files(tmp_path, name))


def test_two_migrations_of_one_number_are_an_error_that_names_both(tmp_path):
    with pytest.raises(MigrationError, match="0002_refunds and 0002_taxes have one number"):
        names_in(files(tmp_path, "0001_start", "0002_refunds", "0002_taxes"))


@pytest.mark.parametrize(
    ("names", "message", "name"),
    [
        ([], "Start", "0001_start"),
        (["0001_start"], "Add refunds: amount & currency!", "0002_add_refunds_amount_currency"),
        (["0041_a"], "add the tax number of a business customer", "0042_add_the_tax_number_of_a"),
        (["0001_start"], "Größe für Ärmel", "0002_grosse_fur_armel"),
        (["0001_start"], "donaudampfschifffahrtsgesellschaft", "0002_donaudampfschifffahrtsgesel"),
    ],
)
def test_the_next_name_is_a_number_and_as_many_words_as_fit(names, message, name):
    assert next_name(names, message) == name
    assert len(name) <= 32


@pytest.mark.parametrize("message", ["", "  ", "...", "Ж"])
def test_a_message_without_words_names_nothing(message):
    with pytest.raises(MigrationError, match="in a few words"):
        next_name([], message)


@pytest.mark.parametrize("content", ["", "migrations = 1"])
def test_a_service_without_migrations_is_told_what_to_make(tmp_path, monkeypatch, content):
    name = f"without_migrations_{len(content)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    if content:
        (tmp_path / name / "migrations.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MigrationError, match=f"{name} has no package {name}.migrations"):
        Migrations(name, []).head()
