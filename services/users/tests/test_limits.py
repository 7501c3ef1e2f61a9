"""How often one client address may ask for what needs no access token, and for mail to one address."""

import pytest

from core.testing import problem, running
from users.settings import LimitSettings

PASSWORD = "plum tractor orbit velvet"
BY_CLIENT = [
    ("sign_in", "/v1/sessions", {"password": PASSWORD}),
    ("registration", "/v1/users", {"password": PASSWORD}),
    ("verification", "/v1/email-verifications", {}),
    ("password_reset", "/v1/password-resets", {}),
]
MAILS = ["/v1/email-verifications", "/v1/password-resets"]


@pytest.mark.parametrize(("limit", "path", "body"), BY_CLIENT)
async def test_one_client_address_is_limited_whatever_mail_address_it_names(build, ada, limit, path, body):
    async with running(await build(limits={limit: "2/hour"})) as client:
        for email in ("eve@example.com", "joe@example.com"):
            answer = await client.post(path, json={"email": email, **body})
            assert answer.status_code in {202, 401}
            assert answer.headers["ratelimit-policy"].endswith(";q=2;w=3600")
        for email in (ada.email, "nobody@example.com"):
            refused = await client.post(path, json={"email": email, **body})
            assert problem(refused) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) > 1


async def test_one_client_address_is_limited_in_how_often_it_refreshes(build, ada):
    async with running(await build(limits={"refresh": "2/5 minutes"})) as ada.client:
        await ada.sign_in()
        assert [(await ada.refresh()).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("path", MAILS)
@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
async def test_one_mail_address_is_limited_however_it_is_spelled_and_whether_it_is_known(build, ada, path, email):
    async with running(await build(limits={"mail_per_address": "2/hour"})) as client:
        for spelled in (email, email.upper()):
            assert (await client.post(path, json={"email": spelled})).status_code == 202
        assert problem(await client.post(path, json={"email": email})) == (429, "rate_limited")
        assert (await client.post(path, json={"email": "joe@example.com"})).status_code == 202


async def test_the_two_mails_are_counted_apart(build):
    async with running(await build(limits={"mail_per_address": "1/hour"})) as client:
        assert [(await client.post(path, json={"email": "a@example.com"})).status_code for path in MAILS] == [202, 202]


async def test_on_a_laptop_nobody_is_limited(settings):
    assert set(settings.limits.model_dump().values()) == {None}
    defaults = {
        "sign_in": "30/minute",
        "registration": "10/hour",
        "verification": "20/hour",
        "password_reset": "20/hour",
        "mail_per_address": "5/hour",
        "refresh": "150/5 minutes",
    }
    assert defaults.items() <= LimitSettings().model_dump().items()
