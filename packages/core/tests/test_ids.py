"""Ids sort by their making, and TypeIDs are exactly those of the specification."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from core.ids import TimeOrderedIds, TypeId, format_id, new_id, parse_id

InvoiceId = Annotated[UUID, TypeId("inv")]
KNOWN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
KNOWN_ID = "inv_01h455vb4pex5vsknk084sn02q"

# The specification's vectors, version 0.3.0: valid.json and invalid.json in
# https://github.com/jetify-com/typeid/tree/main/spec
VALID = {
    "nil": ("", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
    "one": ("", "00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
    "ten": ("", "0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
    "sixteen": ("", "0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
    "thirty-two": ("", "00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
    "max-valid": ("", "7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "valid-alphabet": ("prefix", "prefix_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    "valid-uuidv7": ("prefix", "prefix_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
    "prefix-underscore": ("pre_fix", "pre_fix_00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
}
INVALID = {
    "prefix-uppercase": "PREFIX_00000000000000000000000000",
    "prefix-numeric": "12345_00000000000000000000000000",
    "prefix-period": "pre.fix_00000000000000000000000000",
    "prefix-non-ascii": "préfix_00000000000000000000000000",
    "prefix-spaces": "  prefix_00000000000000000000000000",
    "prefix-64-chars": "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl_00000000000000000000000000",
    "separator-empty-prefix": "_00000000000000000000000000",
    "separator-empty": "_",
    "suffix-short": "prefix_1234567890123456789012345",
    "suffix-long": "prefix_123456789012345678901234567",
    "suffix-spaces": "prefix_1234567890123456789012345 ",
    "suffix-uppercase": "prefix_0123456789ABCDEFGHJKMNPQRS",
    "suffix-hyphens": "prefix_123456789-123456789-123456",
    "suffix-wrong-alphabet": "prefix_ooooooiiiiiiuuuuuuulllllll",
    "suffix-ambiguous-crockford": "prefix_i23456789ol23456789oi23456",
    "suffix-hyphens-crockford": "prefix_123456789-0123456789-0123456",
    "suffix-overflow": "prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz",
    "prefix-underscore-start": "_prefix_00000000000000000000000000",
    "prefix-underscore-end": "prefix__00000000000000000000000000",
    # Ours: what Python would let pass.
    "suffix-newline": "prefix_01h455vb4pex5vsknk084sn02q\n",
    "suffix-other-digits": "prefix_\N{ARABIC-INDIC DIGIT ZERO}1h455vb4pex5vsknk084sn02q",
    "prefix-newline": "prefix\n_01h455vb4pex5vsknk084sn02q",
    "empty": "",
}
prefixes = st.text("abz_", max_size=61).map(lambda inner: f"a{inner}z") | st.sampled_from(["", "a"])


@pytest.mark.parametrize(("prefix", "text", "value"), VALID.values(), ids=VALID)
def test_a_valid_id_is_read_and_written(prefix, text, value):
    assert parse_id(prefix, text) == UUID(value)
    assert format_id(prefix, UUID(value)) == text


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_no_prefix_makes_an_invalid_id_valid(text):
    for end in range(len(text) + 1):
        with pytest.raises(ValueError, match=r"not an id|not a TypeID prefix"):
            parse_id(text[:end], text)


@pytest.mark.parametrize("text", ["invoice_01h455vb4pex5vsknk084sn02q", "01h455vb4pex5vsknk084sn02q", str(KNOWN)])
def test_an_id_of_another_kind_is_refused(text):
    with pytest.raises(ValueError, match="not an id of the form inv_"):
        parse_id("inv", text)


@pytest.mark.parametrize("prefix", ["Inv", "inv1", "_inv", "inv_", "_", "inv-x", "é", "inv\n", "a" * 64])
def test_a_prefix_outside_the_specification_is_refused(prefix):
    for use in (lambda: format_id(prefix, KNOWN), lambda: parse_id(prefix, KNOWN_ID), lambda: TypeId(prefix)):
        with pytest.raises(ValueError, match="not a TypeID prefix"):
            use()


@settings(deadline=None)
@given(prefixes, st.uuids())
def test_what_is_written_is_read_back(prefix, value):
    assert parse_id(prefix, format_id(prefix, value)) == value


@settings(deadline=None)
@given(st.uuids(), st.uuids())
def test_ids_of_a_kind_sort_as_their_uuids_do(first, second):
    assert (format_id("inv", first) < format_id("inv", second)) == (first < second)


@settings(deadline=None)
@given(st.text())
def test_any_other_text_is_refused(text):
    with pytest.raises(ValueError, match="not an id of the form"):
        parse_id("inv", text)


async def test_a_new_id_is_a_uuid_of_version_7_of_now():
    # async, so that a call that blocks the loop would fail it
    before, made, after = uuid_time(TimeOrderedIds().new()), new_id(), uuid_time(TimeOrderedIds().new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= uuid_time(made) <= after


def uuid_time(value):
    """Milliseconds since 1970."""
    return value.int >> 80


def test_the_fields_stand_where_the_rfc_has_them():
    # RFC 9562, appendix A.6: 0x017F22E279B0 ms is its example; half a millisecond more fills rand_a by a half.
    made = TimeOrderedIds(now_ns=lambda: 0x017F22E279B0 * 1_000_000 + 500_000).new()
    assert str(made)[:18] == "017f22e2-79b0-7800"


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=2**62), min_size=2, max_size=50))
def test_ids_sort_as_they_were_made_whatever_the_clock_does(readings):
    clock = iter(readings)
    ids = TimeOrderedIds(now_ns=lambda: next(clock))
    made = [ids.new() for _ in readings]
    assert made == sorted(made)
    assert len({value.int >> 64 for value in made}) == len(made)
    assert {(value.version, value.variant) for value in made} == {(7, uuid.RFC_4122)}


def test_ids_of_all_threads_are_different_and_sorted_within_each():
    def stopped_clock():
        time.sleep(0)  # lets another thread run, right in the middle
        return 0

    ids = TimeOrderedIds(now_ns=stopped_clock)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: [ids.new() for _ in range(500)], range(4)))
    assert all(batch == sorted(batch) for batch in batches)
    # The time and its fraction alone are different, without the help of the random bits.
    assert len({value.int >> 64 for batch in batches for value in batch}) == 2_000


class Invoice(BaseModel):
    id: InvoiceId
    replaces: InvoiceId | None = None


def test_json_has_the_typeid_and_python_the_uuid():
    invoice = Invoice.model_validate_json(f'{{"id": "{KNOWN_ID}"}}')
    assert invoice.id == KNOWN
    assert invoice.model_dump() == {"id": KNOWN, "replaces": None}
    assert invoice.model_dump(mode="json") == {"id": KNOWN_ID, "replaces": None}
    assert invoice.model_dump_json() == f'{{"id":"{KNOWN_ID}","replaces":null}}'
    assert Invoice(id=KNOWN) == invoice


def test_an_id_may_be_a_key():
    totals = TypeAdapter(dict[InvoiceId, int])
    assert totals.dump_json({KNOWN: 1}) == f'{{"{KNOWN_ID}":1}}'.encode()
    assert totals.validate_json(f'{{"{KNOWN_ID}":1}}') == {KNOWN: 1}


@pytest.mark.parametrize("value", ["cus_01h455vb4pex5vsknk084sn02q", str(KNOWN), "", 7, None, KNOWN.bytes])
def test_anything_else_is_refused_with_a_type_of_its_own(value):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(InvoiceId).validate_python(value)
    assert [(error["type"], error["msg"]) for error in refused.value.errors()] == [
        ("type_id", f"Input should be an id such as {KNOWN_ID}")
    ]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_tells_the_form(mode):
    schema = TypeAdapter(InvoiceId).json_schema(mode=mode)
    assert schema == {
        "type": "string",
        "pattern": "^inv_[0-7][0123456789abcdefghjkmnpqrstvwxyz]{25}$",
        "examples": [KNOWN_ID],
    }


@pytest.fixture
async def client():
    app = FastAPI()

    @app.post("/invoices/{invoice_id}")
    async def replace(invoice_id: InvoiceId, invoice: Invoice, after: InvoiceId | None = None) -> list[Invoice]:
        return [Invoice(id=invoice_id, replaces=invoice.id), Invoice(id=after or invoice_id)]

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.example") as client:
        yield client


async def test_paths_queries_bodies_and_responses_carry_typeids(client):
    other = format_id("inv", new_id())
    response = await client.post(f"/invoices/{KNOWN_ID}", params={"after": other}, json={"id": other})
    assert response.json() == [{"id": KNOWN_ID, "replaces": other}, {"id": other, "replaces": None}]


@pytest.mark.parametrize(
    ("path", "after", "body", "where"),
    [
        ("usr_01h455vb4pex5vsknk084sn02q", KNOWN_ID, KNOWN_ID, ["path", "invoice_id"]),
        (KNOWN_ID, "usr_01h455vb4pex5vsknk084sn02q", KNOWN_ID, ["query", "after"]),
        (KNOWN_ID, KNOWN_ID, str(KNOWN), ["body", "id"]),
    ],
)
async def test_a_wrong_id_names_its_place(client, path, after, body, where):
    response = await client.post(f"/invoices/{path}", params={"after": after}, json={"id": body})
    assert [(error["type"], error["loc"]) for error in response.json()["detail"]] == [("type_id", where)]
