"""Two replicas behind the edge: one may be lost, and nothing that changes something is asked twice."""

from contextlib import ExitStack

import httpx
import pytest
from clients import until
from upstreams import upstream, upstream_process

from core.testing.caddy import edge

ENOUGH = 10
# How soon the edge notices what became of a replica does not matter.
UNNOTICED = {"EDGE_HEALTH_INTERVAL": "1h", "EDGE_TRY_INTERVAL": "10ms"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_changes_nothing_is_asked_of_another_replica(front, method):
    both = front(replicas=2)
    first, second = both.replicas
    first.breaks_off = True
    for _ in range(4):
        assert httpx.request(method, f"{both.things}/v1").status_code == 200
    assert len(first.seen) >= 1
    assert len(second.seen) == 4


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}], ids=["no key", "a key"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_may_have_been_done_is_not_asked_again(front, method, headers):
    both = front(replicas=2)
    for each in both.replicas:
        each.breaks_off = True
    for number in range(4):
        answer = httpx.request(method, f"{both.things}/v1/{number}", content=b"{}", headers=headers)
        assert answer.status_code == 502
    # On connections that were used before, too, which a client may take for closed before it was heard.
    for each in both.replicas:
        each.breaks_off = False
    with httpx.Client() as client:
        for number in range(4, 8):
            assert client.request(method, f"{both.things}/v1/{number}", content=b"{}", headers=headers).is_success
        for each in both.replicas:
            each.breaks_off = True
        for number in range(8, 12):
            client.request(method, f"{both.things}/v1/{number}", content=b"{}", headers=headers)
    seen = sorted(int(seen.path.rpartition("/")[2]) for each in both.replicas for seen in each.seen)
    assert seen == list(range(12))


@pytest.mark.parametrize(("headers", "most"), [({}, 1), ({"Idempotency-Key": "one"}, 2)], ids=["no key", "a key"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_without_a_body_only_what_has_a_key_may_be_asked_again_and_once(front, method, headers, most):
    one = front(**UNNOTICED)
    # On the connection of this one: Go takes a connection that ends for one that was closed before it was heard.
    assert httpx.get(f"{one.things}/v1").status_code == 200
    one.behind.seen.clear()
    one.behind.breaks_off = True
    assert httpx.request(method, f"{one.things}/v1", headers=headers).status_code == 502
    assert 1 <= len(one.behind.seen) <= most
    assert {*headers.values()} == {key for seen in one.behind.seen for key in seen.headers.get("idempotency-key", ())}


def test_what_reached_nobody_is_asked_of_another_whatever_it_is(front):
    both = front(replicas=2, **UNNOTICED)
    first, second = both.replicas
    first.refuse()
    for _ in range(4):
        assert httpx.post(f"{both.things}/v1", content=b"whole").status_code == 200
    assert [seen.body for seen in second.seen] == [b"whole"] * 4


def test_a_replica_that_is_not_ready_is_asked_nothing(front):
    both = front(replicas=2)
    first, second = both.replicas
    first.is_ready = False

    def is_left_alone() -> bool:
        first.seen.clear()
        for _ in range(4):
            assert httpx.get(f"{both.things}/v1").status_code == 200
        return first.seen == []

    until(is_left_alone)
    second.seen.clear()
    first.is_ready = True

    def is_asked_again() -> bool:
        assert httpx.get(f"{both.things}/v1").status_code == 200
        return first.seen != []

    until(is_asked_again)


def test_a_replica_that_was_killed_costs_no_reader_an_answer():
    with ExitStack() as running:
        first, there = running.enter_context(upstream_process())
        second = running.enter_context(upstream())
        url = running.enter_context(edge({"things": [there, second.address]}, **UNNOTICED))
        client = running.enter_context(httpx.Client())
        for _ in range(ENOUGH):
            client.get(f"{url}/things/v1")
        assert 0 < len(second.seen) < ENOUGH
        first.kill()
        first.wait()
        assert {client.get(f"{url}/things/v1").status_code for _ in range(ENOUGH)} == {200}


def test_replicas_that_are_looked_up_are_asked_whether_they_are_ready_or_not():
    with upstream() as only:
        _, _, port = only.address.partition(":")
        with edge({"things": ["localhost", port]}, EDGE_REPLICAS="looked_up") as url:
            only.is_ready = False
            assert httpx.post(f"{url}/things/v1", content=b"whole").status_code == 200
            assert [(seen.path, seen.body) for seen in only.seen] == [("/v1", b"whole")]


def test_a_name_that_is_nobodys_is_no_replica():
    with edge({"things": ["nobody.invalid", "80"]}, EDGE_REPLICAS="looked_up", EDGE_TRY_DURATION="1s") as url:
        refused = httpx.get(f"{url}/things/v1")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
