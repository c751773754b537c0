"""The running reduction of each key: one record out for each in.

What is kept and what goes out are never one object that somebody could change (law 4.5).

Measured on Python 3.11: sums of pairs by a string in them, 2.3 M records/s, of which a third is the user's function.
"""

from collections.abc import Iterator
from typing import Any, Final

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.functions import Function, resolve_reduce
from millstream_dataflow.operators.specifications import KeyedReduceSpecification
from millstream_dataflow.records import RowBatch
from millstream_taskmanager.operators.base import OperatorContext, Output
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.state.tables import FlatTable
from millstream_taskmanager.user_code.copies import IMMUTABLE, copy_of
from millstream_taskmanager.user_code.errors import UserCodeError, last_given
from millstream_taskmanager.user_code.returned import NO_RESULT

_NOTHING = object()
_NONE: Final = type(None)


class KeyedReduceOperator(KeyedOperator):
    """See the module."""

    def __init__(self, specification: KeyedReduceSpecification) -> None:
        super().__init__(specification.key, [specification.function])
        self._reduce = resolve_reduce(specification.function)
        self._sets_key = isinstance(specification.function, Function)  # which may use state of the key

    def open_state(self, context: OperatorContext) -> None:
        """See KeyedOperator."""
        self._table = self.backend.add(FlatTable[Any](Where(context.name, "reduced", "the running reduction")))
        self._functions.open(context, KeyedTables(self.current, self.backend))

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        keys, identities = self.keys_of(batch.values)
        if self._table.shadows:
            self._table.touch_all(identities)
        entries, reduce = self._table.entries, self._reduce
        current, sets_key = self.current, self._sets_key
        given = iter(batch.values)
        out: list[Any] = []
        try:
            for value, key, identity in zip(given, keys, identities, strict=True):
                if sets_key:
                    current.set(key, identity)
                kept = entries.get(identity, _NOTHING)
                entries[identity] = result = value if kept is _NOTHING else reduce(kept, value)
                # What `copy_of` would find, for the commonest kinds: two calls cost as much as all the rest.
                kind = type(result)
                if kind is _NONE and value is not None:
                    raise InvalidTypesError(NO_RESULT)
                plain = kind in IMMUTABLE or (kind is tuple and IMMUTABLE.issuperset(map(type, result)))
                out.append(result if plain else copy_of(result))
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, last_given(batch.values, given)) from error
        self.processed += len(batch)
        yield RowBatch(out, batch.timestamps)
