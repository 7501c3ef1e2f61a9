"""Each container has its own secrets: made once, whole or not at all, or taken from whoever brings them."""

import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from engine import ROOT, docker
from stack import Stack

NOBODY = "10001"
# Where a container has the volumes that compose.yaml mounts one by one.
OWNERS = ("postgres", "nats", "users", "users-migrate", "billing", "billing-migrate")
ROOMS = " ".join(f"/secrets/{owner}" for owner in OWNERS)


class Room:
    """The volumes of a project, in one; and what an operator gives."""

    def __init__(self, image: str, volume: str) -> None:
        self._options = (
            *("run", "--rm", "--network=none", "--read-only", f"--volume={volume}:/room", "--entrypoint=sh"),
            *("--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=DAC_OVERRIDE", "--cap-add=FOWNER"),
            *(
                f"--mount=type=volume,source={volume}-{each},target=/{each}"
                for each in ("secrets", "given", "writable")
            ),
            f"--mount=type=bind,source={ROOT}/deploy/secrets/make.sh,target=/make.sh,readonly",
            "--env=SECRETS=billing/billing_webhooks__secret",
            "--env=MAIL_URL=file:/var/mail",
            image,
        )
        self.run(f"mkdir -p {ROOMS} /writable/users-mail")

    def run(self, script: str, *, check: bool = True) -> str:
        """What a shell says that sees all of it."""
        done = docker(*self._options, "-c", script, check=check)
        return done.stdout + ("" if check else done.stderr)

    def make(self, *services: str, check: bool = True) -> str:
        """Runs the script."""
        return self.run(f"exec sh /make.sh {' '.join(services)}", check=check)

    def give(self, path: str, content: str) -> None:
        """An operator's file."""
        self.run(f"mkdir -p /given/$(dirname {path}); printf %s '{content}' >/given/{path}")

    @property
    def files(self) -> Mapping[str, str]:
        """Every secret by its path."""
        listed = self.run("cd /secrets; for file in */*; do echo \"$file $(cat \"$file\" | tr '\\n' ' ')\"; done")
        return dict(line.rstrip().split(" ", 1) for line in listed.splitlines())


@pytest.fixture(scope="module")
def rooms(stack: Stack) -> Iterator[Callable[[], Room]]:
    """Makes an empty room with the image that the stack runs."""
    image = docker("inspect", "--format={{.Config.Image}}", stack.compose("ps", "-aq", "secrets").stdout.strip())
    made: list[str] = []

    def make() -> Room:
        made.append(f"tested-secrets-{os.getpid()}-{len(made)}")
        return Room(image.stdout.strip(), made[-1])

    yield make
    for name in made:
        docker("volume", "rm", name, *(f"{name}-{each}" for each in ("secrets", "given", "writable")))


@pytest.fixture
def room(rooms: Callable[[], Room]) -> Room:
    """An empty one."""
    return rooms()


def test_what_was_made_is_kept_and_a_service_may_come_later(room: Room):
    room.make("users")
    first = room.files
    assert len({*first.values()}) == len(first), "two secrets are the same"
    assert len(first["users/users_secret_key"]) == 48
    address = f"postgresql://users:{first['postgres/users']}@postgres:5432/users"
    assert first["users/users_database__url"] == address
    assert first["users-migrate/users_database__url"] != address
    room.make("users", "billing")
    both = room.files
    changed = {name for name in first if both[name] != first[name]}
    # It lists the users of the bus.
    assert changed == {"nats/authorization.conf"}
    assert {name.partition("/")[0] for name in both} == set(OWNERS)
    room.make("users", "billing")
    assert room.files == both


def test_each_secret_is_read_by_its_container_alone(room: Room):
    room.make("users", "billing")
    listed = room.run("stat -c '%u %a %n' /secrets/* /secrets/*/* /writable/*").splitlines()
    for owner, mode, path in (line.split() for line in listed):
        is_of_postgres = path.startswith("/secrets/postgres")
        assert owner == ("0" if is_of_postgres else NOBODY), path
        assert mode == ("400" if path.count("/") == 3 else "700"), path


@pytest.mark.parametrize("at", ["head", "base64", "cat", "sync", "chown", "mv"])
def test_what_was_interrupted_is_made_whole_the_next_time(room: Room, at: str):
    # The script ends there as if its container was killed: the third time that it comes by.
    killed = f"""
        {at}() {{ count=$(wc -l </room/count); echo >>/room/count; [ $count -lt 3 ] || kill -9 $$; command {at} "$@"; }}
        : >/room/count; set -- users billing; . /make.sh
    """
    # In a process of its own: the first one of a container is killed by nobody in it.
    room.run(f"cat >/room/killed.sh <<'EOT'\n{killed}\nEOT\nsh /room/killed.sh", check=False)
    assert "nats/authorization.conf" not in room.files, "it came to its end"
    room.make("users", "billing")
    made = room.files
    assert all(made.values())
    for role in ("users", "users-migrate", "billing", "billing-migrate"):
        assert made["postgres/" + role] in made[f"{role}/{role.partition('-')[0]}_database__url"]
    room.make("users", "billing")
    assert room.files == made


def test_what_an_operator_gives_is_taken_over_each_time(room: Room):
    room.make("users", "billing")
    before = room.files
    room.give("postgres/billing", "replaced-password")
    room.give("users/users_mail__url", "smtp://relay:secret@mail.example:587")
    room.give("billing/billing_webhooks__previous_secret", "0123456789abcdef0123456789abcdef")
    room.make("users", "billing")
    after = room.files
    assert after["billing/billing_database__url"] == "postgresql://billing:replaced-password@postgres:5432/billing"
    assert after["users/users_mail__url"] == "smtp://relay:secret@mail.example:587"
    assert after["billing/billing_mail__url"] == "file:/var/mail"
    assert after["billing/billing_webhooks__previous_secret"] == "0123456789abcdef0123456789abcdef"
    assert after["billing/billing_secret_key"] == before["billing/billing_secret_key"]


def test_one_that_is_removed_is_made_anew_with_all_that_has_it(room: Room):
    room.make("users")
    before = room.files
    room.run("rm /secrets/nats/users /secrets/postgres/users")
    room.make("users")
    after = room.files
    changed = {name for name in before if after[name] != before[name]}
    addresses = {"users/users_database__url", "users/users_events__url"}
    assert changed == {"nats/users", "postgres/users", "nats/authorization.conf", *addresses}


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("postgres/users", "p@ss", "postgres/users may have letters, digits, '.', '_', '~' and '-' alone"),
        ("nats/users", 'a"b', "nats/users may have letters, digits, '.', '_', '~' and '-' alone"),
        ("users/users_secret_key", "", "users/users_secret_key is empty"),
        ("orders/orders_secret_key", "a", "orders is nobody who has secrets"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(room: Room, path: str, content: str, said: str):
    room.give(path, content)
    told = room.make("users", check=False)
    assert told.strip() == said
