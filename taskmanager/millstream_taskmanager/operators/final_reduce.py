"""Batch mode: the reduction of each key, one record a key. Streaming mode gives the running reduction (`keyed_reduce`),
of which this is the last record, with its time.
"""

from collections.abc import Hashable, Iterator
from typing import Any

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.functions import Function, resolve_reduce
from millstream_dataflow.operators.grouped import FinalReduceSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_taskmanager.operators.base import OperatorContext, Output
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.user_code.errors import UserCodeError, last_given
from millstream_taskmanager.user_code.returned import NO_RESULT

_NOTHING = object()


class FinalReduceOperator(KeyedOperator):
    """See the module. Its input is grouped, so what it keeps is of few keys."""

    keys_at_once = 64  # what each comes to is about as large as a record, and of those a block is in memory anyway

    def __init__(self, specification: FinalReduceSpecification) -> None:
        super().__init__(specification.key, [specification.function])
        self._reduce = resolve_reduce(specification.function)
        self._sets_key = isinstance(specification.function, Function)  # which may use state of the key
        self._kept: dict[Hashable, Any] = {}
        self._times: dict[Hashable, int] = {}
        """Of the last record of each; of none if it had none."""

    def open_state(self, context: OperatorContext) -> None:
        """See KeyedOperator."""
        self._functions.open(context, KeyedTables(self.current, self.backend))

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        keys, identities = self.keys_of(batch.values)
        kept, reduce = self._kept, self._reduce
        current, sets_key = self.current, self._sets_key
        given = iter(batch.values)
        try:
            for value, key, identity in zip(given, keys, identities, strict=True):
                if sets_key:
                    current.set(key, identity)
                before = kept.get(identity, _NOTHING)
                kept[identity] = result = value if before is _NOTHING else reduce(before, value)
                if result is None and value is not None:
                    raise InvalidTypesError(NO_RESULT)
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, last_given(batch.values, given)) from error
        if batch.timestamps is not None:  # records without times come first, and have no say
            self._times.update(zip(identities, batch.timestamps, strict=True))
        self.processed += len(batch)
        return iter(())

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """The keys are through: event time is at its end."""
        times = self._times
        untimed = [value for identity, value in self._kept.items() if identity not in times]
        if untimed:
            yield RowBatch(untimed)
        if times:
            yield RowBatch([self._kept[identity] for identity in times], list(times.values()))

    def forget_key(self) -> None:
        """See Operator."""
        super().forget_key()
        self._kept.clear()
        self._times.clear()
