"""What somebody may send or bring about that once ended in a 500."""

from core.ids import new_id

# A shop of its own: what it books is nobody's.
SETTINGS = {}
MOST = 2**63 - 1


async def test_the_books_come_to_more_than_one_amount_can(shop, keeper):
    async with shop.database.transaction():
        for source in ("one", "another"):
            transaction_id = new_id()
            await shop.database.execute(
                "INSERT INTO ledger_transactions VALUES ($1, 'fee_taken', $2, now())", transaction_id, source
            )
            for position, (account, amount) in enumerate([("fees", MOST), ("provider_clearing", -MOST)]):
                await shop.database.execute(
                    "INSERT INTO ledger_entries (transaction_id, position, account, amount_minor, currency) "
                    "VALUES ($1, $2, $3, $4, 'EUR')",
                    *(transaction_id, position, account, amount),
                )
    accounts = (await keeper.get("/v1/ledger/accounts")).json()["data"]
    assert {each["account"]: each["balance"]["amount"] for each in accounts} == {
        "fees": 2 * MOST,
        "provider_clearing": -2 * MOST,
    }
