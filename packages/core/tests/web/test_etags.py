"""Entity tags and preconditions by themselves: what a list of tags names, and in which order conditions count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PreconditionFailed, PreconditionRequired
from core.web.etags import EntityTags, Preconditions, etag_of

V1, V2 = EntityTags.parse('"v1"'), EntityTags.parse('"v2"')
ANYTHING = EntityTags.parse("*")


def test_the_tag_of_a_version_is_strong():
    assert etag_of(7) == '"v7"'


@pytest.mark.parametrize(
    "value",
    ['"v1"', ' "v1" ', '"a","v1"', '"a" , "v1"', '"a",,"v1",', ',"v1"', 'W/"a", "v1"', '"a,b", "v1"', "*", " * "],
)
def test_a_list_names_its_tags(value):
    assert EntityTags.parse(value).has('"v1"')


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ",", "v1", '"v1', 'v1"', '"v 1"', "'v1'", '""v1""', '"v1" "v1"', '"v1"x', 'x"v1"', '"v1", *'),
        *('*, "v1"', "**", '"v1";', '"a" "v1"', '"v11"', '"V1"', '"*"', 'w/"v1"', 'W/ "v1"', '"v1", x', '"v1\x7f"'),
    ],
)
def test_a_list_with_a_mistake_or_without_the_tag_does_not_name_it(value):
    tags = EntityTags.parse(value)
    assert not tags.has('"v1"')
    assert not tags.has_weakly('"v1"')


def test_a_weak_tag_is_another_one_to_a_write_and_the_same_to_a_cache():
    tags = EntityTags.parse('W/"v1", "v2"')
    assert (tags.has('"v1"'), tags.has_weakly('"v1"')) == (False, True)
    assert (tags.has('"v2"'), tags.has_weakly('"v2"')) == (True, True)


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_whatever_is_sent_is_read_without_an_error(value):
    EntityTags.parse(value)


@given(st.lists(st.text(st.sampled_from('abc,!#"W/'), max_size=5).map(lambda tag: tag.replace('"', "")), min_size=1))
def test_every_list_of_tags_names_them_all(tags):
    parsed = EntityTags.parse(", ".join(f'"{tag}"' for tag in tags))
    assert all(parsed.has(f'"{tag}"') for tag in tags)


def test_a_long_list_is_read_in_one_pass():
    assert EntityTags.parse('"a", ' * 10_000 + '"v1"').has('"v1"')
    assert not EntityTags.parse('"a" ' + " " * 50_000 + 'x, "v1"').has('"v1"')


def test_a_write_says_which_version_it_changes():
    with pytest.raises(PreconditionRequired):
        Preconditions().check(1)
    with pytest.raises(PreconditionRequired):
        Preconditions(if_none_match=V2).check(1)


@pytest.mark.parametrize("if_match", [V1, ANYTHING, EntityTags.parse('"v0", "v1"')])
def test_a_write_of_the_present_version_goes_on(if_match):
    Preconditions(if_match).check(1)
    Preconditions(if_match, if_none_match=V2).check(1)


@pytest.mark.parametrize("if_match", [V2, EntityTags.parse('W/"v1"'), EntityTags.parse("v1")])
def test_a_write_of_another_version_is_refused(if_match):
    with pytest.raises(PreconditionFailed):
        Preconditions(if_match).check(1)


@pytest.mark.parametrize("if_none_match", [V1, ANYTHING, EntityTags.parse('W/"v1"')])
def test_a_write_that_wants_the_version_not_to_be_there_is_refused(if_none_match):
    """RFC 9110, section 13.2.2: If-None-Match is looked at when If-Match is true."""
    with pytest.raises(PreconditionFailed):
        Preconditions(V1, if_none_match).check(1)


@pytest.mark.parametrize(("if_none_match", "known"), [(None, False), (V1, True), (V2, False), (ANYTHING, True)])
def test_a_read_is_known_to_who_names_its_version(if_none_match, known):
    assert Preconditions(None, if_none_match).is_known(1) is known
    assert Preconditions(V1, if_none_match).is_known(1) is known


def test_a_read_of_another_version_is_refused_before_it_is_known():
    with pytest.raises(PreconditionFailed):
        Preconditions(V2, V1).is_known(1)
