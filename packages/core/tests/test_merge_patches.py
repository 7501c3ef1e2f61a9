"""What a merge patch makes of a value: the examples of RFC 7396, and what nobody should send."""

import copy
import json

import pytest

from core.merge_patches import patched

# Appendix A, in its order: original, patch, result.
EXAMPLES = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]
# Section 3.
DOCUMENT = {
    "title": "Goodbye!",
    "author": {"givenName": "John", "familyName": "Doe"},
    "tags": ["example", "sample"],
    "content": "This will be unchanged",
}
CHANGE = {"title": "Hello!", "phoneNumber": "+01-123-456-7890", "author": {"familyName": None}, "tags": ["example"]}
CHANGED = {
    "title": "Hello!",
    "author": {"givenName": "John"},
    "tags": ["example"],
    "content": "This will be unchanged",
    "phoneNumber": "+01-123-456-7890",
}


@pytest.mark.parametrize(("original", "patch", "result"), EXAMPLES)
def test_the_examples_of_the_rfc(original, patch, result):
    assert patched(json.loads(original), json.loads(patch)) == json.loads(result)


def test_the_document_of_the_rfc():
    assert patched(DOCUMENT, CHANGE) == CHANGED


def test_neither_the_value_nor_the_patch_is_changed():
    value, patch = copy.deepcopy(DOCUMENT), copy.deepcopy(CHANGE)
    result = patched(value, patch)
    result["author"]["givenName"] = "Jane"
    assert (value, patch) == (DOCUMENT, CHANGE)


def test_however_deep_a_patch_is_it_is_applied():
    deep = {"a": 1}
    for _ in range(20_000):
        deep = {"a": deep}
    result = patched({}, deep)
    for _ in range(20_000):
        result = result["a"]
    assert result == {"a": 1}
