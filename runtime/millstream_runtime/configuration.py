"""Reading configuration: one file, then the environment, then ``-D``; the later ones are stronger.

All mistakes of all sources are reported at once, each with its line or variable. `configuration_file` reads the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from millstream_dataflow.configuration import (
    TABLE,
    Configuration,
    ConfigurationError,
    Origin,
    Problem,
    Text,
    check_consistency,
)
from millstream_dataflow.configuration.option import ENVIRONMENT_PREFIX
from millstream_dataflow.configuration.options import high_availability
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
    if (state := environment.get("XDG_STATE_HOME", "")).startswith("/"):  # others count as not set, says XDG
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
    from millstream_runtime.configuration_file import texts_of_file  # noqa: PLC0415  # YAML takes 20 ms

    return texts_of_file(file, MAX_FILE_SIZE, f"--config or {CONFIGURATION_DIRECTORY_VARIABLE}")


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
