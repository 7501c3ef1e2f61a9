"""No test here reads the secrets or the `.env` of the machine it runs on."""

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The empty working directory of the test; the default secrets directory is in it, and not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("core.settings.loading.SECRETS_DIR", tmp_path / "run-secrets")
    return tmp_path
