"""A planted canary: what nobody may read later is in no column of no table."""

import base64

CANARY = "canary plum tractor orbit"
NEW_CANARY = "canary granite lantern pepper"
NEWEST_CANARY = "canary willow marble comet"


async def test_no_password_and_no_token_is_in_any_column_of_any_table(client, post, rows):
    body = {"email": "ada@example.com", "password": CANARY}
    await client.post("/v1/users", json=body)
    await client.post("/v1/users", json=body)
    one_time_token = await post.token_for("ada@example.com")
    # Before and after it is used.
    found = await everything(rows)
    await client.post("/v1/email-verifications/confirm", json={"token": one_time_token})
    tokens = (await client.post("/v1/sessions", json=body)).json()
    refreshed = (await client.post("/v1/sessions/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    headers = {"Authorization": f"Bearer {refreshed['access_token']}"}
    await client.post("/v1/users", json=body)
    found_changes, one_time_tokens = await after_changes(client, headers, post, rows)
    await client.delete("/v1/sessions/current", headers=headers)
    await post.to("ada@example.com")
    found += found_changes + await everything(rows)
    assert "ada@example.com" in found
    for secret in (
        CANARY,
        NEW_CANARY,
        NEWEST_CANARY,
        *(each for token in (one_time_token, *one_time_tokens) for each in (token, bytes_of(token).hex())),
        *(pair[name] for pair in (tokens, refreshed) for name in ("access_token", "refresh_token")),
        *(pair["refresh_token"].split(".")[2] for pair in (tokens, refreshed)),
    ):
        assert secret not in found


async def after_changes(client, headers, post, rows):
    """Replaces the password twice and the address once; what the tables had on the way, and the tokens that it took."""
    await client.post("/v1/password-resets", json={"email": "ada@example.com"})
    reset = await post.token_for("ada@example.com")
    found = await everything(rows)
    passwords = {"current_password": CANARY, "new_password": NEW_CANARY}
    await client.put("/v1/users/me/password", json=passwords, headers=headers)
    change = {"new_email": "lovelace@example.com", "current_password": NEW_CANARY}
    await client.post("/v1/users/me/email-changes", json=change, headers=headers)
    changed = await post.token_for("lovelace@example.com")
    found += await everything(rows)
    confirmed = await client.post("/v1/users/me/email-changes/confirm", json={"token": changed}, headers=headers)
    assert confirmed.status_code == 200
    await client.post("/v1/password-resets", json={"email": "lovelace@example.com"})
    newest = await post.token_for("lovelace@example.com")
    found += await everything(rows)
    body = {"token": newest, "new_password": NEWEST_CANARY}
    assert (await client.post("/v1/password-resets/confirm", json=body)).status_code == 204
    return found, (reset, changed, newest)


def bytes_of(one_time_token):
    return base64.urlsafe_b64decode(one_time_token + "=")


async def everything(rows):
    """The text of every row of every table; bytes in hexadecimal."""
    tables = await rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {"users", "credentials", "one_time_tokens", "sessions", "signing_keys", "outbox"} <= {
        table["tablename"] for table in tables
    }
    texts = [await rows(f'SELECT CAST(t AS text) AS row FROM "{table["tablename"]}" t') for table in tables]  # noqa: S608 - names of our own tables
    return "\n".join(row["row"] for table in texts for row in table)
