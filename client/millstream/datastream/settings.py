"""What holds a program's configuration, how a setter writes to it, and what is said about it."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from millstream.datastream.call_site import call_site
from millstream_dataflow.configuration import PROGRAM, TABLE, Configuration, Option, Text, milliseconds
from millstream_dataflow.time import Span, to_milliseconds

T = TypeVar("T")

_log = logging.getLogger("millstream")


class Settings:
    """The configuration of one program: immutable layers, of which the newest is kept here."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._said: set[str] = set(configuration.notices)  # a program's start has said those

    def get(self, option: Option[T]) -> T:
        """The value of an option."""
        return self.configuration.get(option)

    def set(self, option: Option[T], value: T) -> None:
        """What the program sets; ConfigurationError, naming key and what is accepted, for a value that isn't."""
        self.configuration = self.configuration.with_(option, value)

    def set_all(self, values: Configuration | Mapping[str, object]) -> None:
        """What the program sets by keys; ConfigurationError for keys and values that aren't accepted."""
        stronger = values if isinstance(values, Configuration) else texts_of(values)
        self.configuration = self.configuration.under(stronger)

    def say_notices(self) -> None:
        """Keys without effect and keys with newer names are worth a line each, once."""
        for notice in self.configuration.notices:
            self._say(notice, notice)

    def has_no_effect(self, call: str, reason: str) -> None:
        """A call that PyFlink has and that means nothing here: worth a line, once a program."""
        self._say(call, f"{call} has no effect: {reason} ({call_site()})")

    def _say(self, key: str, sentence: str) -> None:
        if key not in self._said:
            self._said.add(key)
            _log.warning("%s", sentence)

    def get_milliseconds(self, option: Option[timedelta]) -> int:
        """A duration as the API gives it."""
        return milliseconds(self.get(option))


def duration(value: Span) -> timedelta:
    """A duration as an option takes it: milliseconds, or any of the objects that mean some."""
    return timedelta(milliseconds=to_milliseconds(value))


def texts_of(values: Mapping[str, object]) -> Configuration:
    """Keys and values of a dict, values as text or as what the option holds (True, 5, a timedelta)."""
    return Configuration.read(Text(key, text_of(key, value), PROGRAM) for key, value in values.items())


def text_of(key: str, value: object) -> str:
    """The value of a key as it is written in a file."""
    option = TABLE.find(key)
    if option is not None and not isinstance(value, str) and option.parser.holds(value):
        return option.parser.render(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
