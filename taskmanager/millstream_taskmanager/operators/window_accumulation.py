"""What is kept of a window's records, and where a checkpoint holds it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar, Final

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.functions import AggregateFunction, resolve_aggregate, resolve_reduce
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.user_code.returned import NO_RESULT

Kept = dict[Hashable, Any]
"""What is kept, by key, or by key and window."""

NOTHING: Final = object()
"""In the place of what isn't there."""


class Accumulation(ABC):
    """What is kept of the records of a key in a window, and what they come to."""

    kind: ClassVar[str]
    """What a checkpoint calls it."""
    whole: ClassVar[bool] = False
    """The records themselves are kept, and a process function sees them all."""

    @abstractmethod
    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """Records of one window, parallel to their keys, in their order. `values` is never ahead of the user's code:
        so an error names the record. A loop for all, since a call for each record costs as much as the record.
        """

    @abstractmethod
    def merge(self, earlier: Any, later: Any) -> Any:  # noqa: ANN401  # of its own kind
        """What is kept in two places as one. Both may be changed, and are used no more."""

    def result(self, kept: Any) -> Any:  # noqa: ANN401  # any record
        """What is kept, unless the user's code makes something else of it."""
        return kept


class Reduced(Accumulation):
    """The first record, and what the user's function made of it and each that followed."""

    kind = "reduced"

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._reduce = function

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        reduce, find = self._reduce, entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity, NOTHING)
            entries[identity] = result = value if kept is NOTHING else reduce(kept, value)
            if result is None and value is not None:
                raise InvalidTypesError(NO_RESULT)

    def merge(self, earlier: Any, later: Any) -> Any:  # noqa: ANN401  # as above
        """See Accumulation."""
        merged = self._reduce(earlier, later)
        if merged is None and later is not None:
            raise InvalidTypesError(NO_RESULT)
        return merged


class Aggregated(Accumulation):
    """The accumulator of the user's function."""

    kind = "aggregated"

    def __init__(self, function: AggregateFunction[Any, Any, Any]) -> None:
        self._function = function

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        create, add, find = self._function.create_accumulator, self._function.add, entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity, NOTHING)
            entries[identity] = add(value, create() if kept is NOTHING else kept)

    def merge(self, earlier: Any, later: Any) -> Any:  # noqa: ANN401  # as above
        """See Accumulation. InvalidProgramError where the user's function has forgotten to return it, or to be written:
        in Flink sliding windows never ask for it.
        """
        merged = self._function.merge(earlier, later)
        if merged is None and not (earlier is None and later is None):
            name = type(self._function).__name__
            what = f"{name}.merge gave None in the place of an accumulator"
            raise InvalidProgramError(f"{what}; return what both come to: sliding windows and sessions need it")
        return merged

    def result(self, kept: Any) -> Any:  # noqa: ANN401  # as above
        """See Accumulation."""
        return self._function.get_result(kept)


class Listed(Accumulation):
    """All records."""

    kind = "listed"
    whole = True

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        find = entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity)
            if kept is None:
                entries[identity] = [value]
            else:
                kept.append(value)

    def merge(self, earlier: Any, later: Any) -> Any:  # noqa: ANN401  # as above
        """See Accumulation."""
        return [*earlier, *later]


class Timed(Listed):
    """All records with their times, as pairs: what evictors go over, and the user's function behind them."""

    kind = "timed"


KINDS: Final = tuple(one.kind for one in (Reduced, Aggregated, Listed, Timed))
LAYOUTS: Final = ("windows", "panes", "windows-of-keys", "panes-of-keys")
"""How tables are called: whether windows lie there whole or in panes, fired for all keys together or for each."""


def accumulation_of(specification: WindowSpecification) -> Accumulation:
    """By reduce, by aggregate, or all records."""
    if specification.evictor is not None:
        return Timed()
    if specification.reduce is not None:
        return Reduced(resolve_reduce(specification.reduce))
    if specification.aggregate is not None:
        return Aggregated(resolve_aggregate(specification.aggregate))
    return Listed()


def table_of_windows(operator: str, layout: str, kind: str, backend: KeyedBackend) -> Where:
    """Where an operator's windows are stored. StateError when the checkpoint holds them in a form that can't become
    this one.
    """
    where = Where(operator, f"{layout}-{kind}", "what windows hold")
    mend = "do as before, or give the operator another uid"
    others = {f"{layout}-{other}": f"{other} records; {mend}" for other in KINDS}
    other_layouts = [other for other in LAYOUTS if other != layout]
    others |= {
        f"{other}-{one}": f"{one} records of windows with another assigner, trigger or evictor; {mend}"
        for other in other_layouts
        for one in KINDS
    }
    backend.refuse_others(where, f"is {kind} records now", others)
    return where
