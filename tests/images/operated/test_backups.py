"""deploy/backup: after everything was lost all is as it was; what is not whole, or would be overwritten, is refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import SERVICES
from people import Person, admin_of, member, new_price
from stack import Composed, Stack

# Where docs/operations.md has a pipe.
PIPE = "/kept/secrets.tar"


def backed_up(stack: Stack) -> str:
    """The name of a new backup."""
    return stack.compose("run", "--rm", "-T", "backup").stdout.split()[-1]


def refusal(stack: Stack, *arguments: str) -> str:
    """What a restore that is refused says, while the databases are full."""
    refused = stack.compose("run", "--rm", "-T", "--no-deps", "restore", *arguments, check=False)
    assert refused.returncode == 2
    return refused.stderr


def everything(stack: Stack) -> dict[str, str]:
    """Each database as text: its rows, its schema, who owns what and who may do what."""
    dump = ("exec", "-T", "postgres", "pg_dump", "--username=postgres", "--restrict-key=none")
    return {service: stack.compose(*dump, service).stdout for service in SERVICES}


def keys_of(person: Person) -> list[str]:
    """The keys that sign access tokens."""
    keys = person.users.get("/.well-known/jwks.json").raise_for_status().json()["keys"]
    return sorted(key["kid"] for key in keys)


@pytest.fixture(scope="module")
def subscriber(product: Composed) -> Person:
    """Somebody who has paid."""
    person = member(product)
    order = {"json": {"provider_token": "pm_card_visa"}, "headers": {"Idempotency-Key": "card"}}
    assert person.billing.post("/v1/payment-methods", **order).status_code == 201
    order = {"json": {"price_id": new_price(admin_of(product))["id"]}, "headers": {"Idempotency-Key": "subscribe"}}
    assert person.billing.post("/v1/subscriptions", **order).json()["status"] == "active"
    return person


@pytest.fixture(scope="module")
def backup(stack: Stack, subscriber: Person) -> str:
    """A backup that was made while everything ran."""
    return backed_up(stack)


@pytest.fixture
def another(backups: Path, backup: str) -> Iterator[Path]:
    """A copy of it, to be spoilt."""
    copy = backups / "another"
    yield Path(shutil.copytree(backups / backup, copy))
    shutil.rmtree(copy)


def test_a_backup_has_a_dump_of_each_service_for_its_owner_alone(backups: Path, backup: str):
    folder = backups / backup
    files = {each.name: each.stat() for each in folder.iterdir()}
    assert files.keys() == {"SHA256SUMS", *(f"{service}.dump" for service in SERVICES)}
    assert {(each.st_mode & 0o777, each.st_uid) for each in files.values()} == {(0o600, backups.stat().st_uid)}


def test_a_database_that_is_not_empty_is_refused(stack: Stack, backup: str):
    assert f"the database {SERVICES[0]} is not empty; nothing was done" in refusal(stack, backup)


def test_a_backup_that_was_cut_off_is_refused(stack: Stack, another: Path):
    dump = another / f"{SERVICES[-1]}.dump"
    dump.write_bytes(dump.read_bytes()[:-1])
    assert "this backup is not whole; nothing was done" in refusal(stack, another.name)


def test_a_backup_of_which_a_file_is_gone_is_refused(stack: Stack, another: Path):
    (another / f"{SERVICES[-1]}.dump").unlink()
    assert "this backup is not whole; nothing was done" in refusal(stack, another.name)


def test_a_backup_that_there_is_not_is_refused(stack: Stack):
    assert "there is no backup yesterday in /backups; nothing was done" in refusal(stack, "yesterday")


def test_a_service_that_a_backup_lacks_is_refused(stack: Stack, backup: str):
    assert "this backup has nothing of orders; nothing was done" in refusal(stack, backup, "orders")


def test_where_one_database_cannot_be_backed_up_there_is_no_backup(stack: Stack, backups: Path, backup: str):
    before = set(backups.iterdir())
    failed = stack.compose("run", "--rm", "-T", "--no-deps", "backup", SERVICES[0], "orders", check=False)
    assert failed.returncode == 1
    assert "nothing is kept, because these could not be backed up: orders" in failed.stderr
    assert set(backups.iterdir()) == before


# The last: it takes everything away.
def test_after_everything_was_lost_it_is_as_it_was(stack: Stack, backups: Path, subscriber: Person):
    keys = keys_of(subscriber)
    stack.compose("stop", "edge", *SERVICES)
    before, name = everything(stack), backed_up(stack)
    within_secrets = ("run", "--rm", "-T", "--no-deps", f"--volume={backups}:/kept", "--entrypoint=sh", "secrets", "-c")
    stack.compose(*within_secrets, f"cd /secrets && tar -c * >{PIPE}")

    stack.compose("down", "--volumes")
    stack.compose(*within_secrets, f"tar -xC /secrets <{PIPE}")
    stack.compose("run", "--rm", "-T", "restore", name)
    assert everything(stack) == before

    stack.up()
    subscriber.sign_in()
    assert subscriber.users.get("/v1/users/me").json()["id"] == subscriber.id
    # The secret that opens them is the same.
    assert keys_of(subscriber) == keys
    [subscription] = subscriber.billing.get("/v1/subscriptions").json()["data"]
    assert subscription["status"] == "active"
    assert "0 differences" in stack.compose("exec", "-T", "billing", "billing", "reconcile").stdout
