"""Events on the wire."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest

from core.events import Event
from core.events.cloudevents import NotAnEvent, decode, encode

ID = "01a20606-c121-7af2-b778-89aa01c055e3"
EVENT = Event(
    id=UUID(ID),
    type="user.activated",
    source="users",
    subject="usr_1",
    sequence=7,
    time=datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC),
    data={"email": "a@example.com"},
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
TOLD = {
    "specversion": "1.0",
    "id": ID,
    "source": "users",
    "type": "user.activated",
    "subject": "usr_1",
    "time": "2026-11-23T01:02:03.000004Z",
    "datacontenttype": "application/json",
    "data": {"email": "a@example.com"},
    "sequence": "0000000000000000007",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def test_an_event_is_a_cloudevent():
    assert orjson.loads(encode(EVENT)) == TOLD
    assert decode(encode(EVENT)) == EVENT


def test_what_an_event_does_not_have_is_left_out():
    told = {name: TOLD[name] for name in TOLD if name not in {"sequence", "traceparent"}}
    event = decode(orjson.dumps(told))
    assert (event.sequence, event.traceparent) == (0, None)
    assert orjson.loads(encode(event)) == told


def test_time_is_utc_wherever_it_was_told():
    event = decode(orjson.dumps(TOLD | {"time": "2026-11-23T06:32:03.000004+05:30"}))
    assert event == EVENT
    assert event.time.utcoffset() == timedelta(0)


def test_other_attributes_are_passed_over():
    assert decode(orjson.dumps(TOLD | {"dataschema": "https://example.com/user"})) == EVENT


def test_a_backslash_before_zeros_is_text():
    assert decode(orjson.dumps(TOLD | {"subject": r"\u0000"})).subject == r"\u0000"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "JSONDecodeError"),
        (b"[]", "valid dictionary"),
        (orjson.dumps(TOLD | {"specversion": "0.3"}), "specversion: Input should be '1.0'"),
        (orjson.dumps(TOLD | {"id": "1"}), "id: Input should be a valid UUID"),
        (orjson.dumps(TOLD | {"time": "2026-11-23T01:02:03"}), "time: Input should have timezone info"),
        (orjson.dumps(TOLD | {"time": "0001-01-01T00:00:00+05:00"}), "OverflowError"),
        (orjson.dumps(TOLD | {"data": "secret"}), "data: Input should be a valid dictionary"),
        (orjson.dumps(TOLD | {"sequence": str(2**63)}), "sequence: Input should be less than"),
        (orjson.dumps(TOLD | {"subject": "s" * 256}), "subject: String should have at most 255"),
        (orjson.dumps(TOLD | {"sequence": "-1"}), "sequence: Input should be greater than"),
        (orjson.dumps(TOLD | {"subject": "a\\\x00"}), "NUL"),
        (orjson.dumps(TOLD)[:-1] + b',"data":{"a":' + b"[" * 300 + b"]" * 300 + b"}}", "JSONEncodeError|TypeError"),
    ],
)
def test_what_cannot_be_stored_is_no_event(content, why):
    with pytest.raises(NotAnEvent, match=why) as told:
        decode(content)
    assert "secret" not in str(told.value)
