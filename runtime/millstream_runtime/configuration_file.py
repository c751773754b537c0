"""The configuration file: YAML, its keys flat (``jobmanager.rpc.port: 6123``) or nested, as in Flink 2.

Scalars are taken as the text that stands there, not as YAML's own types: so a duration ``1:30`` is refused by its key
instead of becoming the number 90, and a version or an id keeps its zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml

from millstream_dataflow.configuration import TABLE, Origin, Problem, Text
from millstream_dataflow.configuration.containers import join_list, join_map
from millstream_dataflow.configuration.parsers import Shape


def texts_of_file(file: Path, limit: int, named_by: str) -> Iterator[Text | Problem]:
    """Each key, or what is wrong. `limit` is the largest size in bytes, `named_by` says who has named the file."""
    origin = Origin.file(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        mend = f"{named_by} names a file that must be there"
        yield Problem(f"the file cannot be read: {error.strerror}", mend, origin=origin)
        return
    if len(content) > limit:
        yield Problem(f"the file is larger than {limit} bytes", "is it the right one?", origin=origin)
        return
    try:
        root = yaml.compose(content, Loader=_TextLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        yield Problem(f"the file is not YAML: {error.problem}", origin=Origin.file(str(file), line))
        return
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        yield Problem(f"the file is not YAML: {str(error).splitlines()[0]}", origin=origin)
        return
    if isinstance(root, yaml.MappingNode):
        yield from _without_repetition(_flatten(root, "", str(file)))
    elif root is not None and root.tag != _NULL:
        yield Problem("the file holds no keys", "write one 'key: value' a line", origin=origin)


_NULL: Final = "tag:yaml.org,2002:null"
"""How PyYAML marks a value that is not there, or written as ``null`` or ``~``."""


class _TextLoader(yaml.SafeLoader):
    """Composes nodes; refuses aliases, since an option is one value and a node within itself would never end."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs of PyYAML leave it out
            raise yaml.MarkedYAMLError(problem="aliases (*) are not read", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _flatten(mapping: yaml.MappingNode, prefix: str, path: str) -> Iterator[Text | Problem]:
    """Nested keys joined by dots, down to the first value that is no mapping, or whose option takes a mapping."""
    for key_node, value in mapping.value:
        origin = Origin.file(path, key_node.start_mark.line + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            yield Problem("a key must be text", origin=origin)
            continue
        key = prefix + key_node.value.strip()
        if isinstance(value, yaml.MappingNode) and _shape(key) is not Shape.MAP:
            yield from _flatten(value, f"{key}.", path)
        else:
            yield _text_of_node(key, value, origin)


def _shape(key: str) -> Shape | None:
    option = TABLE.find(key)
    return None if option is None else option.parser.shape


def _text_of_node(key: str, node: yaml.Node, origin: Origin) -> Text | Problem:
    """The value of a key as one text; lists and maps are joined into the text that their parsers read."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag == _NULL:
            return Problem("there is no value", "write one or remove the line", key, origin=origin)
        return Text(key, node.value, origin)
    wanted = _shape(key)
    if wanted is Shape.SCALAR or (wanted is Shape.LIST and not isinstance(node, yaml.SequenceNode)):
        return Problem("it takes one value", "write a single text or number", key, origin=origin)
    try:
        return Text(key, _joined(node), origin)
    except TypeError:
        return Problem("it is nested too deeply", "its elements must be texts or numbers", key, origin=origin)


def _joined(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return join_list([_scalar(element) for element in node.value])
    if isinstance(node, yaml.MappingNode):
        return join_map({_scalar(key): _scalar(value) for key, value in node.value})
    raise TypeError(node)


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise TypeError(node)
    return str(node.value)


def _without_repetition(items: Iterable[Text | Problem]) -> Iterator[Text | Problem]:
    """A key written twice is a problem that names both lines; flat and nested spellings are the same key."""
    first: dict[str, Text] = {}
    for item in items:
        if isinstance(item, Text) and (other := first.setdefault(item.key, item)) is not item:
            reason = f"it already stands in line {other.origin.line}"
            option = TABLE.find(item.key)
            value = None if option is None else option.shown(item.value)
            yield Problem(reason, "keep one of the two", item.key, value, item.origin)
        else:
            yield item
