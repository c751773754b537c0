"""The one table of all options.

Readers of files, variables and command lines look keys up here; the documentation, the default file and
``millstream config`` are printed from it. A key that is not in it does not exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from millstream_dataflow.configuration.option import Group, Option, environment_name
from millstream_dataflow.configuration.options import (
    audit,
    batch,
    checkpointing,
    client,
    execution,
    health,
    high_availability,
    jobmanager,
    logs,
    network,
    recovery,
    restart,
    rpc,
    security,
    taskmanager,
    unaligned,
)


class OptionTable:
    """Options by key, by deprecated key and by environment variable.

    ``ValueError`` when a name of one option is also a name of another; such a table is a mistake in the program.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        self.groups: tuple[Group, ...] = tuple(groups)
        self._by_name: dict[str, Option[Any]] = {}
        self._by_variable: dict[str, str] = {}
        for option in self:
            for name in (option.key, *option.deprecated_keys):
                self._add(name, option)

    def _add(self, name: str, option: Option[Any]) -> None:
        variable = environment_name(name)
        if name in self._by_name:
            raise ValueError(f"the key {name} is declared twice: rename one of the two options")
        other = self._by_variable.setdefault(variable, name)
        if other != name and self._by_name[other] is not option:
            raise ValueError(f"{name} and {other} share the variable {variable}: rename one")
        self._by_name[name] = option

    def __iter__(self) -> Iterator[Option[Any]]:
        return (option for group in self.groups for option in group.options)

    def __contains__(self, option: object) -> bool:
        return isinstance(option, Option) and self._by_name.get(option.key) is option

    def find(self, name: str) -> Option[Any] | None:
        """The option of that key, or of that deprecated key."""
        return self._by_name.get(name)

    def find_variable(self, variable: str) -> str | None:
        """The key, current or deprecated, for which an environment variable stands."""
        return self._by_variable.get(variable)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variable of each key, as ``variable -> key``."""
        return dict(self._by_variable)

    def nearest(self, name: str) -> str | None:
        """The known key most like ``name``, when there is one a person could have meant."""
        return _nearest(name, self._by_name)

    def nearest_variable(self, variable: str) -> str | None:
        """The known environment variable most like ``variable``."""
        return _nearest(variable, self._by_variable)


def _nearest(name: str, known: Iterable[str]) -> str | None:
    exact = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), exact, n=1, cutoff=0.6)
    return exact[found[0]] if found else None


TABLE: Final = OptionTable(
    (
        jobmanager.GROUP,
        taskmanager.GROUP,
        rpc.GROUP,
        network.GROUP,
        high_availability.GROUP,
        execution.GROUP,
        batch.GROUP,
        checkpointing.GROUP,
        unaligned.GROUP,
        recovery.GROUP,
        restart.GROUP,
        audit.GROUP,
        client.GROUP,
        security.GROUP,
        health.GROUP,
        logs.GROUP,
    )
)
"""Every option of Millstream."""
