"""What a service handles of another one is what that one announces, to the field."""

import ast
import inspect
import textwrap

import pytest

from core.cli.applications import described_whole
from core.events import Catalogue, Event, Subscription
from core.services import installed_services

CATALOGUES: dict[str, Catalogue] = {each.name: described_whole(each).catalogue for each in installed_services()}
SUBSCRIPTIONS = [each for catalogue in CATALOGUES.values() for each in catalogue.subscriptions if each.source]
# Several services may have one and the same handler of core.
FOREIGN = {f"{each.consumer} {each.source}'s {each.type}": each for each in SUBSCRIPTIONS}

each_foreign = pytest.mark.parametrize("subscription", FOREIGN.values(), ids=FOREIGN.keys())


def fields_read(subscription: Subscription) -> set[str]:
    """What a handler reads of an event's data: all of `event.data["…"]` in it, and no other use of it is understood."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(subscription.handle)))
    uses = [each for each in ast.walk(tree) if isinstance(each, ast.Attribute) and each.attr == "data"]
    read: list[str] = [
        str(each.slice.value)
        for each in ast.walk(tree)
        if isinstance(each, ast.Subscript) and each.value in uses and isinstance(each.slice, ast.Constant)
    ]
    assert len(read) == len(uses), f"{subscription.consumer} uses the data of its event as a whole: read its fields"
    return set(read)


def test_something_is_handled_of_another_service() -> None:
    assert FOREIGN


@each_foreign
def test_what_is_handled_is_announced_by_its_source(subscription: Subscription) -> None:
    assert subscription.source in CATALOGUES, "there is no such service"
    assert subscription.type in CATALOGUES[subscription.source].announced


@each_foreign
def test_what_a_handler_reads_is_told(subscription: Subscription) -> None:
    told = CATALOGUES[subscription.source or ""].announced[subscription.type].model_fields
    assert fields_read(subscription) <= told.keys()


async def reads_two(event: Event, _: object) -> None:
    """Of `id` once in a call, and of `status` in a condition."""
    if event.data["status"]:
        print(event.data["id"])  # noqa: T201 - read, never run


async def reads_all(event: Event, _: object) -> None:
    """What cannot be told from the source."""
    print(event.data)  # noqa: T201 - read, never run


def test_the_fields_of_a_handler_are_found_in_its_source() -> None:
    assert fields_read(Subscription("a", "b", "c", reads_two, in_transaction=False)) == {"id", "status"}


def test_a_handler_whose_fields_cannot_be_found_fails() -> None:
    with pytest.raises(AssertionError, match="read its fields"):
        fields_read(Subscription("a", "b", "c", reads_all, in_transaction=False))
