"""The key of a developer's machine."""

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.tokens.keys import generate_key, key_id
from core.tokens.local import LocalKey
from core.tokens.sealing import key_to_pem


def test_the_key_is_made_once(tmp_path):
    first = LocalKey.open(tmp_path / "data", environment="local")
    assert LocalKey.open(tmp_path / "data", environment="local").kid == first.kid
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["token-key.pem"]


def test_only_its_owner_can_read_it(tmp_path):
    LocalKey.open(tmp_path / "data", environment="local")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "token-key.pem").stat().st_mode) == 0o600


def test_all_who_start_at_once_have_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: LocalKey.open(tmp_path, environment="local"), range(16)))
    assert len({each.kid for each in opened}) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["token-key.pem"]


def test_a_key_that_another_process_made_meanwhile_is_kept(tmp_path, monkeypatch):
    other = generate_key()
    (tmp_path / "token-key.pem").write_bytes(key_to_pem(other))
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)
    assert LocalKey.open(tmp_path, environment="local").kid == key_id(other)


async def test_it_knows_itself_and_nobody_else(tmp_path):
    key = await asyncio.to_thread(LocalKey.open, tmp_path, environment="local")
    assert await key.find(key.kid) is await key.find(key.kid) is not None
    assert await key.find("another") is None


@pytest.mark.parametrize("environment", ["production", "staging", "test", "", "LOCAL"])
def test_no_other_environment_has_one(tmp_path, environment):
    with pytest.raises(ValueError, match="local only"):
        LocalKey.open(tmp_path, environment=environment)
    assert not list(tmp_path.iterdir())


def test_a_file_that_holds_no_key_is_refused(tmp_path):
    (tmp_path / "token-key.pem").write_text("not a key")
    with pytest.raises(ValueError, match=r"(?i)pem|key"):
        LocalKey.open(tmp_path, environment="local")


def test_the_repr_shows_no_key(tmp_path):
    key = LocalKey.open(tmp_path, environment="local")
    assert repr(key) == f"LocalKey(kid={key.kid!r})"
