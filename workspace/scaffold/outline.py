"""What stands where in a YAML file, by its lines: comments and layout are people's, and no parser keeps them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workspace.scaffold.refusals import Refused


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value, or an item of a list.

    Attributes:
        name: The key; of an item its text, if it is one.
        text: The value, if that is a text.
        first: The number of its first line, from 0.
        last: That of its last one, without comments that follow.
        within: What is in the value.
        is_open: Whether lines can be added to what is in it.
    """

    name: str
    text: str | None
    first: int
    last: int
    within: tuple["Entry", ...]
    is_open: bool


def outline(text: str, *, file: Path) -> Entry:
    """The file as a whole.

    Raises:
        Refused: there is nothing in it, or no YAML.
    """
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else 1
        raise Refused(f"{file}:{line} is no YAML ({wrong.problem}): mend it first.") from wrong
    if node is None:
        raise Refused(f"{file} is empty.")
    return _entry("", node, node)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        """An alias as it is written: what it stands for has other lines, or is in another file."""
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        alias: Any = self.get_event()
        return yaml.ScalarNode("alias", f"*{alias.anchor}", alias.start_mark, alias.end_mark)


def _entry(name: str, start: yaml.Node, value: yaml.Node) -> Entry:
    within = tuple(_within(value))
    text = value.value if isinstance(value, yaml.ScalarNode) else None
    is_flow = isinstance(value, yaml.CollectionNode) and value.flow_style
    # What ends with its last line, and not with whatever stands in front of the next key.
    last = within[-1].last if within and not is_flow else _last_line(value)
    return Entry(name, text, start.start_mark.line, last, within, is_open=not is_flow and not text)


def _within(node: yaml.Node) -> Iterator[Entry]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield _entry(str(key.value), key, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield _entry(item.value if isinstance(item, yaml.ScalarNode) else "", item, item)


def _last_line(node: yaml.Node) -> int:
    # A text of several lines ends where the next line begins.
    is_past = node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line
    return node.end_mark.line - is_past
