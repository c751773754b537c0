"""Values by option, each with the place it came from.

A :class:`Configuration` is immutable: whoever adds a layer gets a new one, so nobody can change a setting behind
the back of who reads it. Layers are made from texts (:meth:`Configuration.read`) and stacked
(:meth:`Configuration.under`); the strings of :meth:`Configuration.to_strings` travel in a job graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

from millstream_dataflow.configuration.errors import ConfigurationError, Problem
from millstream_dataflow.configuration.option import Option, Scope
from millstream_dataflow.configuration.origin import DEFAULT, JOB_GRAPH, PROGRAM, Origin
from millstream_dataflow.configuration.table import TABLE
from millstream_dataflow.configuration.without_effect import refused, without_effect

T = TypeVar("T")


@dataclass(frozen=True)
class Text:
    """One ``key = value`` as somebody wrote it."""

    key: str
    value: str
    origin: Origin


@dataclass(frozen=True)
class Setting:
    """The value of one option, where it was written, and under which of the option's names."""

    value: Any
    origin: Origin
    name: str


@dataclass(frozen=True)
class Configuration:
    """The value of every option; those that nobody set have their default.

    ``notices`` are sentences for the person who wrote the configuration (keys without effect, keys with a newer
    name); a process says each of them once.
    """

    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    notices: tuple[str, ...] = ()

    def get(self, option: Option[T]) -> T:
        """The value of ``option``, its default when it is not set."""
        if option not in TABLE:
            raise KeyError(f"{option.key} is not in the table of options: add it to its group")
        setting = self.settings.get(option.key)
        return option.default if setting is None else cast("T", setting.value)

    def origin(self, option: Option[Any]) -> Origin:
        """Where the value of ``option`` was written."""
        setting = self.settings.get(option.key)
        return DEFAULT if setting is None else setting.origin

    def is_set(self, option: Option[Any]) -> bool:
        """Whether somebody set ``option``, be it to its default."""
        return option.key in self.settings

    def text(self, option: Option[Any]) -> str:
        """The value of ``option`` as it would be written in a file, for people: a secret is hidden."""
        return option.shown(self._text(option))

    def _text(self, option: Option[Any]) -> str:
        return option.parser.render(self.get(option))

    def with_(self, option: Option[T], value: T, origin: Origin = PROGRAM) -> Configuration:
        """This configuration with one value set; :class:`ConfigurationError` when the value is not accepted."""
        try:
            option.validate(value)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(_wrong_value(option, Text(option.key, _shown(value), origin), error)) from None
        return replace(self, settings={**self.settings, option.key: Setting(value, origin, option.key)})

    def with_text(self, key: str, value: str, origin: Origin = PROGRAM) -> Configuration:
        """This configuration with one value set from text, under any name of its option."""
        return self.under(Configuration.read([Text(key, value, origin)]))

    def under(self, stronger: Configuration) -> Configuration:
        """Both configurations in one; where both set an option, ``stronger`` has its way."""
        notices = dict.fromkeys((*self.notices, *stronger.notices))
        return Configuration({**self.settings, **stronger.settings}, tuple(notices))

    def only(self, scopes: Collection[Scope]) -> Configuration:
        """The settings of options of these scopes; the others have their defaults again."""
        kept = {option.key for option in TABLE if option.scope in scopes}
        return replace(self, settings={key: value for key, value in self.settings.items() if key in kept})

    def to_strings(self, scopes: Collection[Scope] = tuple(Scope)) -> dict[str, str]:
        """What is set, as ``key -> text``; :meth:`from_strings` makes the same configuration of it. Secrets stand in
        it: it is for processes.
        """
        options = (option for option in TABLE if option.scope in scopes and self.is_set(option))
        return {option.key: self._text(option) for option in options}

    @classmethod
    def from_strings(cls, strings: Mapping[str, str], origin: Origin = JOB_GRAPH) -> Configuration:
        """The configuration that :meth:`to_strings` wrote; :class:`ConfigurationError` names all that is wrong."""
        return cls.read(Text(key, value, origin) for key, value in strings.items())

    @classmethod
    def read(cls, texts: Iterable[Text]) -> Configuration:
        """One layer: each key at most once. :class:`ConfigurationError` names all that is wrong with it."""
        reading = _Reading()
        for text in texts:
            reading.add(text)
        if reading.problems:
            raise ConfigurationError(reading.problems)
        return cls(reading.settings, tuple(dict.fromkeys(reading.notices)))


class _Reading:
    """One layer while it is read: what was understood, what is wrong, what is worth a notice."""

    def __init__(self) -> None:
        self.settings: dict[str, Setting] = {}
        self.notices: list[str] = []
        self.problems: list[Problem] = []

    def add(self, text: Text) -> None:
        option = TABLE.find(text.key)
        if option is not None:
            self._set(option, text)
        elif (family := without_effect(text.key)) is not None:
            self.notices.append(f"{text.key} ({text.origin}) has no effect: {family.reason}")
        else:
            self.problems.append(_unknown(text))

    def _set(self, option: Option[Any], text: Text) -> None:
        if (other := self.settings.get(option.key)) is not None:
            self.problems.append(_set_twice(option, text, other))
            return
        if text.key != option.key:
            self.notices.append(f"{text.key} ({text.origin}) is an old name; write {option.key}")
        try:
            self.settings[option.key] = Setting(option.parse(text.value), text.origin, text.key)
        except ValueError as error:
            self.problems.append(_wrong_value(option, text, error))


def _shown(value: object) -> str:
    """As whoever set it may have written it: Python's own text for -1 ms is `-1 day, 23:59:59.999000`."""
    return f"{value / timedelta(milliseconds=1):g} ms" if isinstance(value, timedelta) else str(value)


def _unknown(text: Text) -> Problem:
    if (family := refused(text.key)) is not None:
        return Problem(family.reason, "remove the key", text.key, origin=text.origin)
    nearest = TABLE.nearest(text.key)
    mend = f"did you mean {nearest}?" if nearest else "'millstream config' lists all keys"
    return Problem("there is no such key", mend, text.key, origin=text.origin)


def _set_twice(option: Option[Any], text: Text, other: Setting) -> Problem:
    first = f"{other.name} ({other.origin})"
    reason = f"{first} sets the same" if other.name != text.key else f"it is already set ({other.origin})"
    mend = f"keep one, under the name {option.key}"
    return Problem(reason, mend, text.key, option.shown(text.value), text.origin)


def _wrong_value(option: Option[Any], text: Text, error: Exception) -> Problem:
    # What exactly is wrong may quote a part of it.
    why = "" if option.secret else str(error)
    reason = f"the value is not accepted: {why}" if why else "the value is not accepted"
    return Problem(reason, f"accepted is {option.accepts}", text.key, option.shown(text.value), text.origin)
