"""Operators make, show and revoke machine clients at a terminal."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm

from core.ids import new_id
from core.tokens.keys import generate_key, public_jwk
from users.__main__ import main
from users.clients.commands import FILE_CHARACTERS_MAX
from users.clients.repository import ClientRepository

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def run(service, settings, monkeypatch, capsys):
    """`await run("create-client", "nightly")`: exit code, standard output and standard error of `users …`."""
    monkeypatch.setenv("USERS_ENVIRONMENT", "local")
    monkeypatch.setenv("USERS_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("USERS_DATA_DIR", str(settings.data_dir))
    # Wide enough that no sentence is wrapped.
    monkeypatch.setenv("COLUMNS", "1000")

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["users", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    async def run(*arguments):
        code = await asyncio.to_thread(command, *arguments)
        return SimpleNamespace(code=code, **capsys.readouterr()._asdict())

    return run


def pem_of(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def file(tmp_path):
    """`file(text)`: a file that holds it."""

    def write(text):
        path = tmp_path / "key"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


async def test_a_new_client_gets_tokens_for_the_secret_that_is_shown_once(client, run, rows):
    made = await run("create-client", "nightly-export", "--scope", "users:read", "--scope", "billing:read")
    assert made.code == 0
    (_, client_id), (_, secret) = [line.split(": ") for line in made.out.splitlines()]
    assert len(secret) == 43  # 256 bits in base64url
    assert made.err == "The secret is shown this once: only its SHA-256 is stored.\n"
    assert secret not in str(await rows("SELECT CAST(c AS text) FROM service_clients c"))
    assert secret not in (await run("clients")).out
    response = await client.post("/v1/oauth/token", data=GRANT, auth=(client_id, secret))
    assert response.json()["scope"] == "billing:read users:read"
    [audited] = await rows("SELECT action, actor, subject, details FROM audit_events WHERE subject LIKE 'svc%'")
    assert audited == {
        "action": "client.created",
        "actor": "operator",
        "subject": client_id,
        "details": {"scopes": ["billing:read", "users:read"]},
    }


async def test_a_client_with_a_key_has_no_secret(client, run, rows, file):
    for name, text in (("pem", pem_of(key := generate_key())), ("jwk", json.dumps(public_jwk(key)))):
        made = await run("create-client", name, "--scope", "users:read", "--public-key", file(text))
        assert (made.code, made.err) == (0, "")
        [line] = made.out.splitlines()
        assert line.startswith("client_id: svc_")
    stored = await rows("SELECT public_jwk, secret_digest FROM service_clients")
    assert stored == [{"public_jwk": public_jwk(key), "secret_digest": None}] * 2


async def test_a_private_key_is_refused_with_a_warning_and_stored_nowhere(client, run, rows, file):
    private = generate_key()
    jwk = ECAlgorithm.to_jwk(private)
    for text in (
        private_pem_of(private),
        pem_of(private) + private_pem_of(private),
        jwk,
        '{"kty":"oct","k":"c2VjcmV0"}',
    ):
        refused = await run("create-client", "nightly", "--scope", "users:read", "--public-key", file(text))
        assert refused.code == 2
        assert "it is a private key" in refused.err
        assert "make another one" in refused.err
        assert json.loads(jwk)["d"] not in refused.out + refused.err
    assert not await rows("SELECT 1 FROM service_clients UNION ALL SELECT 1 FROM audit_events WHERE actor = 'operator'")


async def test_a_file_that_holds_no_public_key_on_p_256_is_refused(run, rows, file):
    jwk = public_jwk(generate_key())
    texts = [
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256K1())),
        pem_of(rsa.generate_private_key(65_537, 2_048)),
        json.dumps(jwk | {"crv": "P-384"}),
        json.dumps(jwk | {"use": "enc"}),
        json.dumps(jwk | {"y": "AA"}),
        json.dumps({"keys": [jwk]}),
        "{",
        '{"x": ' + "[" * 8_000,
        "",
        "ssh-ed25519 AAAA",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"\xff\xfe",
        " " * FILE_CHARACTERS_MAX + pem_of(generate_key()),
    ]
    for text in texts:
        refused = await run("create-client", "nightly", "--scope", "users:read", "--public-key", file(text))
        assert refused.code == 2
        assert "it is neither a public key on P-256 in PEM nor one as a JWK" in refused.err, text
    assert not await rows("SELECT 1 FROM service_clients")


async def test_a_scope_that_there_is_not_is_refused_with_what_is_near(run, rows):
    near = await run("create-client", "nightly", "--scope", "user:read")
    assert near.code == 2
    assert "there is no scope user:read: did you mean users:read?" in near.err
    far = await run("create-client", "nightly", "--scope", "users:read", "--scope", "everything")
    assert "there is no scope everything: there are audit:read, billing:read" in far.err
    assert (await run("create-client", "nightly")).code == 2
    assert not await rows("SELECT 1 FROM service_clients")


@pytest.mark.parametrize(
    "name", ["", "Nightly", "a b", "svc_01h455vb4pex5vsknk084sn02q", "-a", "a..b", "a\n", "a" * 65]
)
async def test_a_name_is_a_few_plain_words(run, name):
    refused = await run("create-client", "--scope", "users:read", "--", name)
    assert refused.code == 2
    assert "a name is letters a-z" in refused.err


async def test_a_name_is_of_one_live_client(run):
    create = ("create-client", "nightly", "--scope", "users:read")
    assert (await run(*create)).code == 0
    refused = await run(*create)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "There is a client called nightly; revoke it first, or choose another name.\n"
    assert (await run("revoke-client", "nightly")).code == 0
    assert (await run(*create)).code == 0


async def test_of_many_who_make_a_client_of_one_name_at_once_one_does(database, rows):
    async def add():
        client = {
            "id": new_id(),
            "name": "nightly",
            "scopes": [],
            "secret_digest": b"",
            "created_at": datetime.now(UTC),
        }
        async with database.transaction() as session:
            return await ClientRepository(session).add(client)

    assert sorted(await asyncio.gather(*[add() for _ in range(20)])) == [False] * 19 + [True]
    assert len(await rows("SELECT 1 FROM service_clients")) == 1


async def test_a_client_is_revoked_by_its_id_or_its_name_and_for_good(client, run, rows):
    for by in ("id", "name"):
        made = await run("create-client", "nightly", "--scope", "users:read")
        (_, client_id), (_, secret) = [line.split(": ") for line in made.out.splitlines()]
        revoked = await run("revoke-client", client_id if by == "id" else "nightly")
        assert revoked.code == 0
        assert revoked.out.startswith(f"{client_id} is revoked.")
        response = await client.post("/v1/oauth/token", data=GRANT, auth=(client_id, secret))
        assert response.json()["error"] == "invalid_client"
        again = await run("revoke-client", client_id)
        assert (again.code, again.out) == (1, "")
        assert again.err == f"There is no client {client_id} that could be revoked.\n"
    audited = await rows("SELECT action, actor FROM audit_events WHERE subject LIKE 'svc%' ORDER BY id")
    assert [each["action"] for each in audited] == ["client.created", "client.revoked"] * 2
    assert {each["actor"] for each in audited} == {"operator"}


async def test_whoever_is_no_client_is_not_revoked(run, rows):
    for nobody in ("nightly", "svc_01h455vb4pex5vsknk084sn02q", "usr_01h455vb4pex5vsknk084sn02q"):
        refused = await run("revoke-client", nobody)
        assert (refused.code, refused.err) == (1, f"There is no client {nobody} that could be revoked.\n")
    assert not await rows("SELECT 1 FROM audit_events WHERE actor = 'operator'")


async def test_the_clients_are_shown_a_line_each(run, file):
    await run("create-client", "nightly", "--scope", "users:read", "--scope", "audit:read")
    await run("create-client", "hourly", "--scope", "users:read", "--public-key", file(pem_of(generate_key())))
    await run("revoke-client", "nightly")
    nightly, hourly = [line.split("  ") for line in (await run("clients")).out.splitlines()]
    assert (nightly[1], nightly[2], nightly[5:]) == ("nightly", "secret", ["audit:read", "users:read"])
    assert nightly[4].startswith("revoked 20")
    assert (hourly[1], hourly[2], hourly[4:]) == ("hourly", "key", ["live", "users:read"])
