"""Whether the provider's books, our payments and refunds, and the ledger say the same: each difference is found."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from billing.__main__ import main
from billing.ledger import dependencies as ledger
from billing.ledger.rules import Account, Entry, Posting, fee_taken
from billing.reconciliation.commands import lines
from billing.reconciliation.dependencies import LastFound, build
from billing.reconciliation.jobs import PERIOD, reconcile_books
from billing.reconciliation.rules import stray_posting
from billing.reconciliation.service import comparison
from billing.reconciliation.service import report as reports
from core.ids import format_id, new_id, parse_id

# A database of its own: what a test plants, every later one finds.
SETTINGS = {}


@pytest.fixture
def reconcile(shop):
    """`await reconcile()`: the report on all books."""
    return build(shop.resources).run


@pytest.fixture
async def paid(payer, price):
    """Somebody's payment of 10 EUR, which has succeeded."""
    subscription = await payer.subscribe(price)
    return subscription["latest_invoice"]["last_payment"]["id"]


@pytest.fixture
def refunded(bookkeeper, bill):
    """`await refunded(payer)`: a refund of 4 EUR of a payment of 10 EUR."""

    async def make(payer):
        invoice = await bill(payer, "1 1000 0")
        assert (await payer.post(f"/v1/invoices/{invoice['id']}/pay")).status_code == 200
        amount = {"amount": 400, "currency": "EUR"}
        noted = [{"invoice_line_id": invoice["lines"][0]["id"], "net_amount": amount}]
        note = {"invoice_id": invoice["id"], "reason": "Returned", "refund_amount": amount, "lines": noted}
        response = await bookkeeper.post("/v1/credit-notes", note)
        assert response.status_code == 201, response.text
        return (await bookkeeper.all("/v1/refunds"))[-1]["id"]

    return make


@pytest.fixture
def found(reconcile):
    """`await found(about)`: what differs about one thing, as (what, theirs, ours)."""

    async def look(about):
        report = await reconcile()
        return [(each.what, each.theirs, each.ours) for each in report.differences if each.about == about]

    return look


@pytest.fixture
def run(shop, monkeypatch, capsys):
    """`await run("reconcile")`: exit code and standard output of `billing reconcile`."""
    settings = shop.resources.settings
    monkeypatch.setenv("BILLING_ENVIRONMENT", "local")
    monkeypatch.setenv("BILLING_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("BILLING_DATA_DIR", str(settings.data_dir))

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["billing", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    async def run(*arguments):
        code = await asyncio.to_thread(command, *arguments)
        return SimpleNamespace(code=code, out=capsys.readouterr().out)

    return run


@pytest.fixture
def book(shop):
    """`await book(posting)`."""

    async def post(posting):
        async with shop.resources.database.transaction() as session:
            await ledger.build(session, shop.resources).post(posting)

    return post


async def test_a_healthy_life_has_no_difference(payer, refunded, make_price, person, reconcile):
    for token in ("pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"):
        somebody = person()
        await somebody.add_card(token)
        await somebody.subscribe(await make_price(tax_rate="0.21"))
    await payer.subscribe(await make_price(unit_amount="7000", currency="JPY"))
    other = person()
    await other.add_card()
    await refunded(other)
    report = await reconcile()
    assert (report.found, report.healed, report.differences) == (0, 0, [])
    assert report.compared == 6
    for totals in report.totals.values():
        assert totals.provider_minor == totals.payments_minor == totals.ledger_minor
    # 12.10 less 18 cents, and 10 less 15 cents and 4.
    assert {currency: totals.ledger_minor for currency, totals in report.totals.items()} == {
        "EUR": 1210 - 18 + 1000 - 15 - 400,
        "JPY": 7000 - 105,
    }


async def test_what_the_provider_has_and_we_do_not_know_is_found(rows, found):
    payment_id, refund_id = new_id(), new_id()
    await rows(
        """INSERT INTO sandbox_charges (payment_id, reference, amount_minor, currency, status, fee_minor, created_at)
        VALUES ($1, 'pm_card_visa/x', 500, 'EUR', 'succeeded', 8, now())""",
        payment_id,
    )
    await rows(
        """INSERT INTO sandbox_refunds (refund_id, payment_id, amount_minor, currency, status, created_at)
        VALUES ($1, $2, 200, 'EUR', 'succeeded', now())""",
        refund_id,
        payment_id,
    )
    assert await found(format_id("pay", payment_id)) == [("unknown_here", "succeeded 500 EUR", "-")]
    assert await found(format_id("rfd", refund_id)) == [("unknown_here", "succeeded 200 EUR", "-")]


async def test_what_we_have_and_the_provider_does_not_is_found(payer, paid, refunded, rows, found):
    refund_id = await refunded(payer)
    await rows("DELETE FROM sandbox_charges WHERE payment_id = $1", parse_id("pay", paid))
    await rows("DELETE FROM sandbox_refunds WHERE refund_id = $1", parse_id("rfd", refund_id))
    assert await found(paid) == [("unknown_there", "-", "succeeded 1000 EUR")]
    assert await found(refund_id) == [("unknown_there", "-", "succeeded 400 EUR")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("amount_minor = 999", ("amount", "999 EUR", "1000 EUR")),
        ("currency = 'USD'", ("amount", "1000 USD", "1000 EUR")),
        ("fee_minor = 20", ("fee", "20 EUR", "15 EUR")),
        ("status = 'failed', fee_minor = 0", ("status", "failed", "succeeded")),
    ],
)
async def test_a_charge_that_we_know_otherwise_is_found(paid, rows, found, change, expected):
    await rows(f"UPDATE sandbox_charges SET {change} WHERE payment_id = $1", parse_id("pay", paid))  # noqa: S608 - ours
    assert await found(paid) == [expected]


async def test_a_refund_of_another_payment_is_found(payer, paid, refunded, rows, found):
    refund_id = await refunded(payer)
    planted = "UPDATE sandbox_refunds SET payment_id = $2 WHERE refund_id = $1 RETURNING payment_id"
    (refund,) = await rows("SELECT payment_id FROM refunds WHERE id = $1", parse_id("rfd", refund_id))
    await rows(planted, parse_id("rfd", refund_id), parse_id("pay", paid))
    assert await found(refund_id) == [("payment", paid, format_id("pay", refund["payment_id"]))]


async def test_a_payment_that_the_ledger_has_otherwise_is_found(paid, book, found):
    entries = Entry(Account.PROVIDER_CLEARING, 7, "EUR"), Entry(Account.FEES, -7, "EUR")
    await book(Posting("correction", paid, entries))
    assert await found(paid) == [("booked", "985 EUR", "992 EUR")]


@pytest.mark.parametrize("source", ["pay_01h455vb4pex5vsknk084sn02q", "pay_nonsense", "inv_01h455vb4pex5vsknk084sn02q"])
async def test_money_on_the_clearing_account_that_nothing_brought_is_found(book, found, source):
    await book(fee_taken(source, currency="EUR", amount_minor=3))
    assert await found(source) == [("stray_posting", "-", "-3 EUR")]


async def test_what_is_under_way_is_counted_and_no_difference(buyer, price, rows, reconcile, found):
    await buyer.add_card("pm_sandbox_timeout_then_ok")
    before = (await reconcile()).under_way
    subscription = await buyer.subscribe(price)
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    assert subscription["latest_invoice"]["last_payment"]["status"] == "processing"
    # The provider, too, does not know yet.
    await rows("UPDATE sandbox_charges SET status = 'unknown' WHERE payment_id = $1", parse_id("pay", payment_id))
    assert (await reconcile()).under_way == before + 1
    assert await found(payment_id) == []
    await rows("DELETE FROM sandbox_charges WHERE payment_id = $1", parse_id("pay", payment_id))
    assert await found(payment_id) == []


async def test_a_success_that_was_lost_on_its_way_is_written(buyer, price, reconcile, found):
    await buyer.add_card("pm_sandbox_timeout_then_ok")
    subscription = await buyer.subscribe(price)
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    report = await reconcile()
    assert report.healed == 1
    (now,) = (await buyer.get("/v1/subscriptions")).json()["data"]
    assert (now["status"], now["latest_invoice"]["status"]) == ("active", "paid")
    assert await found(payment_id) == []
    assert (await reconcile()).healed == 0


async def test_a_confirmation_at_the_bank_that_nobody_told_is_written(buyer, price, rows, reconcile):
    await buyer.add_card("pm_card_authenticationRequired")
    subscription = await buyer.subscribe(price)
    payment_id = parse_id("pay", subscription["latest_invoice"]["last_payment"]["id"])
    arrived = (
        "UPDATE sandbox_charges SET status = 'succeeded', decline_code = NULL, fee_minor = 15 WHERE payment_id = $1"
    )
    await rows(arrived, payment_id)
    assert (await reconcile()).healed == 1
    (now,) = (await buyer.get("/v1/subscriptions")).json()["data"]
    assert now["status"] == "active"


async def test_a_refund_that_was_lost_on_its_way_is_written(buyer, refunded, bookkeeper, reconcile):
    await buyer.add_card("pm_sandbox_refund_timeout_then_ok")
    path = f"/v1/refunds/{await refunded(buyer)}"
    assert (await bookkeeper.get(path)).json()["status"] == "processing"
    assert (await reconcile()).healed == 1
    assert (await bookkeeper.get(path)).json()["status"] == "succeeded"


async def test_large_books_are_read_in_pages(payer, make_price, monkeypatch, reconcile):
    for _ in range(2):
        await payer.subscribe(await make_price())
    whole = await reconcile()
    monkeypatch.setattr(comparison, "PAGE_MAX", 1)
    in_pages = await reconcile()
    assert in_pages.totals == whole.totals
    assert (in_pages.compared, in_pages.found) == (whole.compared, whole.found)
    assert {each.about for each in in_pages.differences} == {each.about for each in whole.differences}


async def test_only_what_was_begun_since_is_compared(clock, payer, make_price, rows, reconcile):
    await payer.subscribe(await make_price())
    await rows("UPDATE sandbox_charges SET created_at = created_at - interval '3 days'")
    await rows("UPDATE payments SET created_at = created_at - interval '3 days'")
    await rows("UPDATE sandbox_refunds SET created_at = created_at - interval '3 days'")
    await rows("UPDATE refunds SET created_at = created_at - interval '3 days'")
    subscription = await payer.subscribe(await make_price())
    since = clock.now() - timedelta(hours=6)
    assert (await reconcile(since)).compared == 1
    # Long after our side began it, the provider was asked for one of those before.
    (earlier,) = await rows("SELECT id FROM payments WHERE created_at < $1 AND status = 'succeeded' LIMIT 1", since)
    await rows("UPDATE sandbox_charges SET created_at = now() WHERE payment_id = $1", earlier["id"])
    assert (await reconcile(since)).compared == 2
    assert subscription["status"] == "active"


async def test_a_clock_that_runs_ahead_of_the_providers_makes_no_difference(clock, payer, make_price, reconcile):
    clock.current += timedelta(days=400)
    subscription = await payer.subscribe(await make_price())
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    report = await reconcile(clock.now() - PERIOD)
    assert report.compared
    assert payment_id not in {each.about for each in report.differences}


async def test_payments_that_go_on_meanwhile_make_no_difference(person, price, reconcile):
    before = {(each.what, each.about) for each in (await reconcile()).differences}

    async def buy():
        somebody = person()
        await somebody.add_card()
        await somebody.subscribe(price)

    comparing = asyncio.create_task(reconcile())
    await asyncio.gather(*(buy() for _ in range(3)))
    report = await comparing
    assert {(each.what, each.about) for each in report.differences} == before


async def test_the_job_logs_each_difference_and_measures_how_many_there_are(shop, payer, paid, rows):
    await rows("UPDATE sandbox_charges SET amount_minor = 1 WHERE payment_id = $1", parse_id("pay", paid))
    with capture_logs() as logs:
        await reconcile_books(shop.resources)
    told = [line for line in logs if line["event"] == "the books differ"]
    assert {"what": "amount", "about": paid, "theirs": "1 EUR", "ours": "1000 EUR"}.items() <= next(
        line for line in told if line["about"] == paid and line["what"] == "amount"
    ).items()
    page = (await shop.client.get("/metrics")).text
    assert f"reconciliation_differences {float(len(told))}" in page


async def test_the_command_says_what_differs_and_fails_if_something_does(shop, payer, make_price, run):
    same = await run("reconcile", "--since", "2999-01-01")
    assert same.code == 0
    assert same.out.splitlines()[1].startswith("0 compared, 0 healed, ")
    subscription = await payer.subscribe(await make_price())
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    await shop.database.execute("DELETE FROM sandbox_charges WHERE payment_id = $1", parse_id("pay", payment_id))
    other = await run("reconcile")
    assert other.code == 1
    assert f"unknown_there   {payment_id}  provider: -  ours: succeeded 1000 EUR" in other.out.splitlines()


def test_what_was_found_long_ago_is_measured_no_more():
    last = LastFound()
    assert last.read() == {}
    last.keep(0)
    assert last.read() == 0
    last.at_s -= 90_001
    assert last.read() == {}


def test_a_report_is_a_table_and_counts_what_it_does_not_show(monkeypatch):
    monkeypatch.setattr(reports, "SHOWN_MAX", 1)
    told = reports.Report(datetime(2026, 1, 1, tzinfo=UTC), compared=7, healed=1, under_way=2)
    told.totals["EUR"] = reports.Totals(provider_minor=985, payments_minor=985, ledger_minor=992)
    for number in range(3):
        told.add(stray_posting(f"pay_{number}", "7 EUR"))
    assert list(lines(told)) == [
        "currency          provider          payments            ledger",
        "EUR                    985               985               992",
        "stray_posting   pay_0  provider: -  ours: 7 EUR",
        "and 2 more",
        "7 compared, 1 healed, 2 under way, 3 differences",
    ]
