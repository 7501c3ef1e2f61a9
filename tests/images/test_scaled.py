"""Three replicas of billing behind the edge: each is asked, and nothing is done twice."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from engine import SERVICES, docker
from people import Person, admin_of, member
from processes import until
from sql import execute, rows
from stack import Composed, Stack

REPLICAS = 3
PEOPLE = 4
JOB = "forget_idempotency_keys"


@pytest.fixture(scope="module")
def scaled(stack: Stack) -> Iterator[Stack]:
    """The product with three containers of billing, then again with one."""
    stack.compose("up", "--wait", "--no-build", "--pull=never", f"--scale=billing={REPLICAS}")
    yield stack
    stack.up()


def replicas(stack: Stack) -> list[str]:
    """The containers of billing."""
    return stack.compose("ps", "--quiet", "billing").stdout.split()


def lines(container: str) -> list[dict[str, Any]]:
    """What one of them has logged."""
    return [json.loads(line) for line in docker("logs", container).stdout.splitlines() if line.startswith("{")]


def test_the_edge_asks_all_replicas(scaled: Stack):
    asked = f"scaled-{uuid4().hex}"

    def has_each_been_asked() -> bool:
        for _ in range(REPLICAS):
            httpx.get(f"{scaled.url}/billing/v1/plans", headers={"X-Request-ID": asked})
        return all(any(line.get("request_id") == asked for line in lines(each)) for each in replicas(scaled))

    assert len(replicas(scaled)) == REPLICAS
    until(has_each_been_asked, "a replica was asked nothing")


def test_a_replica_that_is_gone_costs_nobody_an_answer(scaled: Stack):
    docker("kill", replicas(scaled)[-1])
    try:
        statuses = {httpx.get(f"{scaled.url}/billing/livez", timeout=20).status_code for _ in range(4 * REPLICAS)}
        assert statuses == {200}
    finally:
        scaled.compose("up", "--wait", "--no-build", "--pull=never", f"--scale=billing={REPLICAS}")


def test_a_job_that_is_due_runs_in_one_of_them(scaled: Stack):
    def runs() -> list[str]:
        ran = [line for each in replicas(scaled) for line in lines(each) if line.get("event") == "job ran"]
        return [line["outcome"] for line in ran if line["job"] == JOB]

    before = len(runs())
    make_due = f"UPDATE jobs SET due_at = now() WHERE name = '{JOB}'"  # noqa: S608 - ours
    for number in range(1, 4):
        execute(scaled, make_due, database="billing")
        until(lambda expected=before + number: len(runs()) >= expected, "the job did not run")
    assert runs()[before:] == ["succeeded"] * 3


def test_events_and_mail_arrive_once_and_each_period_is_billed_once(scaled: Stack, product: Composed):
    began, admin = datetime.now(UTC).isoformat(), admin_of(product)
    plan = admin.billing.post("/v1/plans", json={"name": "Scaled"}).json()
    terms = {"model": "flat", "unit_amount": "1000", "currency": "EUR", "interval": "month"}
    price = admin.billing.post(f"/v1/plans/{plan['id']}/prices", json=terms).json()
    people = [subscriber(product, price) for _ in range(PEOPLE)]
    with ThreadPoolExecutor(REPLICAS) as pool:
        later = (datetime.now(UTC) + timedelta(days=32)).isoformat()
        # Whichever replica hears of it bills what is due; here all of them do at once.
        advances = [
            pool.submit(admin.billing.post, "/v1/test-clock/advance", json={"to": later}) for _ in range(REPLICAS)
        ]
        assert 200 in {each.result().status_code for each in advances}
    # What they have left to each other, the periodic job bills within a minute; here it is due.
    execute(scaled, "UPDATE jobs SET due_at = now() WHERE name = 'bill'", database="billing")
    for person in people:
        until(lambda person=person: len(invoices(person)) >= 2, "the second period was not billed")
    for person in people:
        assert len(product.mail(person.email)) == 1
        assert [each["status"] for each in invoices(person)] == ["paid", "paid"]
    charged = "SELECT invoice_id FROM payments WHERE status = 'succeeded' GROUP BY invoice_id HAVING count(*) > 1"
    assert rows(scaled, charged, database="billing") == []
    again = f"SELECT type, last_error FROM {{}} WHERE time >= '{began}' AND (attempts > 1 OR dead_at IS NOT NULL)"  # noqa: S608 - ours
    for service in SERVICES:
        for table in ("outbox", "inbox"):
            assert rows(scaled, again.format(table), database=service) == []


def subscriber(product: Composed, price: dict[str, Any]) -> Person:
    """Somebody new who pays for the first period."""
    person = member(product)
    card = {"provider_token": "pm_card_visa", "default": True}
    for path, body in (("payment-methods", card), ("subscriptions", {"price_id": price["id"]})):
        answer = person.billing.post(f"/v1/{path}", json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 201, answer.text
    return person


def invoices(person: Person) -> list[dict[str, Any]]:
    """What somebody was billed."""
    return person.billing.get("/v1/invoices").json()["data"]
