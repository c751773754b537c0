"""Reading configuration: one file, then the environment, then ``-D``; the later ones are stronger.

The file is YAML, its keys flat (``jobmanager.rpc.port: 6123``) or nested, as in Flink 2. Scalars are taken as the
text that stands there, not as YAML's own types: so a duration ``1:30`` is refused by its key instead of becoming the
number 90, and a version or an id keeps its zeros. All mistakes of all sources are reported at once, each with its line
or variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from millstream_dataflow.configuration import (
    TABLE,
    Configuration,
    ConfigurationError,
    Origin,
    Problem,
    Text,
    check_consistency,
)
from millstream_dataflow.configuration.containers import join_list, join_map
from millstream_dataflow.configuration.option import ENVIRONMENT_PREFIX
from millstream_dataflow.configuration.options import high_availability
from millstream_dataflow.configuration.parsers import Shape
from millstream_dataflow.configuration.without_effect import family_of_variable

CONFIGURATION_DIRECTORY_VARIABLE: Final = "MILLSTREAM_CONF_DIR"
CONFIGURATION_FILE_NAME: Final = "millstream.yaml"

PROCESS_VARIABLES: Final[Mapping[str, str]] = {
    CONFIGURATION_DIRECTORY_VARIABLE: f"the directory that holds {CONFIGURATION_FILE_NAME}",
}
"""Variables that begin as ours do and are no options."""

MAX_FILE_SIZE: Final = 1 << 20
"""In bytes; a thousand times a long configuration, so what is larger is the wrong file."""


def read_configuration(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    definitions: Sequence[str] = (),
) -> Configuration:
    """The configuration of a process.

    ``file`` is what ``--config`` names; without it, ``millstream.yaml`` in the directory that
    ``MILLSTREAM_CONF_DIR`` names; without that there is no file. ``environment`` is ``os.environ`` or a stand-in,
    ``definitions`` the arguments of ``-D`` (``key=value``). Raises :class:`ConfigurationError` with everything that is
    wrong.
    """
    environment = environment or {}
    problems: list[Problem] = []
    configuration = Configuration()
    chosen = file or _file_of_environment(environment)
    layers: list[Iterable[Text | Problem]] = [
        [] if chosen is None else _texts_of_file(chosen),
        _texts_of_environment(environment),
        _texts_of_definitions(definitions),
    ]
    for layer in layers:
        found = list(layer)
        wrong = [item for item in found if isinstance(item, Problem)]
        try:
            configuration = configuration.under(Configuration.read(item for item in found if isinstance(item, Text)))
        except ConfigurationError as error:
            wrong += error.problems
        problems += sorted(wrong, key=_line)
    if problems:
        raise ConfigurationError(problems)
    check_consistency(configuration)
    return configuration


def job_store_directory(configuration: Configuration, environment: Mapping[str, str]) -> str:
    """The directory of the job store: the one that is set, else ``millstream`` in the user's directory for state.

    That is ``$XDG_STATE_HOME``, else ``~/.local/state``; :class:`ConfigurationError` when there is no home either.
    """
    chosen = configuration.get(high_availability.STORAGE_DIR)
    if chosen is not None:
        return chosen
    if state := environment.get("XDG_STATE_HOME"):
        return f"{state.rstrip('/')}/millstream"
    if home := environment.get("HOME"):
        return f"{home.rstrip('/')}/.local/state/millstream"
    raise ConfigurationError(
        Problem(
            "there is no directory for the job store, for neither XDG_STATE_HOME nor HOME is set",
            "name a directory that outlives the process",
            high_availability.STORAGE_DIR.key,
        )
    )


def _line(problem: Problem) -> int:
    return 0 if problem.origin is None else problem.origin.line


# --------------------------------------------------------------------------------------------- file


def _file_of_environment(environment: Mapping[str, str]) -> Path | None:
    directory = environment.get(CONFIGURATION_DIRECTORY_VARIABLE)
    return Path(directory) / CONFIGURATION_FILE_NAME if directory else None


def _texts_of_file(file: Path) -> Iterator[Text | Problem]:
    origin = Origin.file(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        mend = f"--config or {CONFIGURATION_DIRECTORY_VARIABLE} names a file that must be there"
        yield Problem(f"the file cannot be read: {error.strerror}", mend, origin=origin)
        return
    if len(content) > MAX_FILE_SIZE:
        yield Problem(f"the file is larger than {MAX_FILE_SIZE} bytes", "is it the right one?", origin=origin)
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
            yield Problem(reason, "keep one of the two", item.key, item.value, item.origin)
        else:
            yield item


# -------------------------------------------------------------------------- environment, -D


def _texts_of_environment(environment: Mapping[str, str]) -> Iterator[Text | Problem]:
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in PROCESS_VARIABLES:
            continue
        origin = Origin.environment(variable)
        if (key := TABLE.find_variable(variable)) is not None:
            yield Text(key, value, origin)
        elif (family := family_of_variable(variable)) is not None:
            # Of a family only the beginning is known, which is enough to accept or refuse it.
            yield Text(str(family), value, origin)
        else:
            yield _unknown_variable(variable)


def _unknown_variable(variable: str) -> Problem:
    nearest = TABLE.nearest_variable(variable)
    mend = f"did you mean {nearest}?" if nearest else "'millstream config --json' lists the variable of each key"
    return Problem(f"no key has the environment variable {variable}", mend)


def _texts_of_definitions(definitions: Sequence[str]) -> Iterator[Text | Problem]:
    """Of several definitions of one name the last one counts, so that a script's own can be overruled."""
    last: dict[str, Text] = {}
    for definition in definitions:
        key, equals, value = definition.partition("=")
        if not equals or not key.strip():
            yield Problem(f"-D {definition} is no definition", "write -D key=value")
        else:
            last[key.strip()] = Text(key.strip(), value, Origin.command_line())
    yield from last.values()
