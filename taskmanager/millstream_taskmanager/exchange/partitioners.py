"""Which channel a record goes to, one class a partitioning. Names and meanings are Flink's.

A partitioner belongs to one edge of one subtask. It deals each batch out to the edge's channels, whose positions are
those of `Plan.channels_from`: for hash and custom partitioning position i is target subtask i.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.expressions import ColumnKey
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.keys import UnstableKeyError, hash_array, subtasks_of_batch
from millstream_dataflow.operators.chain import ChainOutput
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_dataflow.reprs import bounded_repr
from millstream_taskmanager.exchange.dealing import Part, Targets, deal, every_nth
from millstream_taskmanager.exchange.owners import Owners
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.user_code.copies import copied
from millstream_taskmanager.user_code.errors import Naming, UserCodeError, last_given
from millstream_taskmanager.user_code.selectors import first_unstable, selected_keys


class Partitioner(ABC):
    """Deals batches out."""

    rows_only: bool = False
    """Whether it must see Python values: a user's code chooses."""

    @abstractmethod
    def deal(self, batch: Batch) -> Iterable[Part]:
        """The parts of a batch, and where they go."""


class Forward(Partitioner):
    """To the one channel there is; also what `global` is, which sends everything to the first subtask."""

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner."""
        return ((0, batch),)


class Broadcast(Partitioner):
    """To all. Each has its own copy, the last channel the batch itself: it may wait there, not encoded yet, while a
    task of this process changes what it has got.
    """

    def __init__(self, channels: int, operator: str, *, reuse: bool = False) -> None:
        """`reuse`: nobody changes records, so all get the same."""
        self._last = channels - 1
        self._operator = operator
        self._reuse = reuse

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner. Copies are made one by one, each from the batch that nobody has yet."""
        for channel in range(self._last):
            yield channel, batch if self._reuse else self._copied(batch)
        yield self._last, batch

    def _copied(self, batch: Batch) -> Batch:
        with Naming(self._operator):
            return copied(batch)


class RoundRobin(Partitioner):
    """To each in turn: rebalance over all targets, rescale over those that are connected. Rows go record by record,
    columns batch by batch: to take a batch apart costs more than to send it.

    Subtasks begin at different targets, else many small sources would all feed the first.
    """

    def __init__(self, channels: int, first: int) -> None:
        self._channels = channels
        self._next = first % channels

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner."""
        channels, start = self._channels, self._next
        if isinstance(batch, ColumnBatch):
            self._next = (start + 1) % channels
            return ((start, batch),)
        self._next = (start + len(batch)) % channels
        if channels == 1:
            return ((0, batch),)
        turns = range(min(channels, len(batch)))
        return [((start + turn) % channels, every_nth(batch, turn, channels)) for turn in turns]


class Shuffle(Partitioner):
    """To any, by chance."""

    def __init__(self, channels: int, chance: np.random.Generator) -> None:
        self._channels = channels
        self._chance = chance

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner."""
        targets = self._chance.integers(0, self._channels, len(batch), dtype=np.int16)
        return deal(batch, targets, self._channels)


class Hash(Partitioner):
    """To the owner of the record's key."""

    def __init__(self, channels: int, max_parallelism: int, key: KeySelection, operator: str) -> None:
        self._channels = channels
        self._max_parallelism = max_parallelism
        self._owners = Owners(channels, max_parallelism)
        self._select = key.selector
        self._of_columns = key.selector if isinstance(key.selector, ColumnKey) else None
        self.rows_only = self._of_columns is None
        self._operator = operator

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner. Columns whose key is an expression are dealt out as they are."""
        if self._channels == 1:
            return ((0, batch),)
        if isinstance(batch, ColumnBatch) and self._of_columns is not None:
            return self._deal_columns(batch, self._of_columns)
        return deal(batch, self._targets(_values(batch)), self._channels)

    def _deal_columns(self, batch: ColumnBatch, key: ColumnKey) -> Iterable[Part]:
        try:
            hashes = hash_array(key.column(batch.columns))
        except Exception as error:  # Arrow raises what it likes; rows say of which record, and why
            self._targets(to_rows(batch).values)
            raise UserCodeError(error, self._operator) from error
        targets = subtasks_of_batch(hashes, self._channels, self._max_parallelism)
        return deal(batch, targets, self._channels)

    def _targets(self, values: list[Any]) -> Targets:
        keys = selected_keys(values, self._select, self._operator)
        try:
            return self._owners.of(keys)
        except UnstableKeyError as error:
            raise UserCodeError(error, self._operator, first_unstable(values, keys)) from error


class Custom(Partitioner):
    """To whom the user's function says."""

    rows_only = True

    def __init__(self, channels: int, output: ChainOutput, operator: str) -> None:
        if output.partitioner is None or output.key is None:
            raise ValueError(f"{operator}: custom partitioning needs a partitioner and a key")
        self._channels = channels
        self._partition = output.partitioner
        self._select = output.key.selector
        self._operator = operator

    def deal(self, batch: Batch) -> Iterable[Part]:
        """See Partitioner."""
        values = _values(batch)
        chosen = self._chosen(values)
        if not {int}.issuperset(map(type, chosen)) or min(chosen) < 0 or max(chosen) >= self._channels:
            self._refuse_first(values, chosen)
        targets: Targets = np.array(chosen, np.int16)
        return deal(batch, targets, self._channels)

    def _chosen(self, values: Sequence[Any]) -> list[int]:
        select, partition, channels = self._select, self._partition, self._channels
        given = iter(values)
        try:
            return [partition(select(value), channels) for value in given]
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._operator, last_given(values, given)) from error

    def _refuse_first(self, values: Sequence[Any], chosen: Sequence[object]) -> None:
        """What is no channel; an int of a class of its own, such as an IntEnum's or numpy's, may be one."""
        for value, channel in zip(values, chosen, strict=True):
            given = f"the partitioner gave {bounded_repr(channel)} for one of {self._channels} partitions; it must give"
            if not isinstance(channel, int | np.integer) or isinstance(channel, bool):
                error: Exception = InvalidTypesError(f"{given} an int, not {type(channel).__qualname__}")
            elif not 0 <= channel < self._channels:
                error = InvalidProgramError(f"{given} 0 to {self._channels - 1}")
            else:
                continue
            raise UserCodeError(error, self._operator, value)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partitioner works: the subtask, how many channels its edge has from there, the target's key groups."""

    subtask: int
    channels: int
    max_parallelism: int
    operator: str
    """Who sends, and is named when a record can't be sent."""


def make_partitioner(
    partitioning: Partitioning,
    output: ChainOutput,
    place: Place,
    chance: np.random.Generator,
    *,
    reuse: bool = False,
) -> Partitioner:
    """The partitioner of one edge in one subtask. `reuse`: nobody changes records (`pipeline.object-reuse`)."""
    match partitioning:
        case Partitioning.HASH:
            if output.key is None:
                raise ValueError(f"{place.operator}: hash partitioning needs a key")
            return Hash(place.channels, place.max_parallelism, output.key, _named("key_by", output, place))
        case Partitioning.CUSTOM:
            return Custom(place.channels, output, _named("partition_custom", output, place))
        case Partitioning.REBALANCE | Partitioning.RESCALE:
            return RoundRobin(place.channels, place.subtask)
        case Partitioning.SHUFFLE:
            return Shuffle(place.channels, chance)
        case Partitioning.BROADCAST:
            return Broadcast(place.channels, place.operator, reuse=reuse)
        case Partitioning.FORWARD | Partitioning.GLOBAL:
            return Forward()
        case Partitioning.SPLITS:
            raise ValueError(f"{place.operator}: splits go to who asks for them, not by partitioner")


def _named(call: str, output: ChainOutput, place: Place) -> str:
    """Who is named when the user's code fails: what he called, not the operator that sends."""
    return f"{call} ({output.defined_at})" if output.defined_at else place.operator


def _values(batch: Batch) -> list[Any]:
    if isinstance(batch, RowBatch):
        return batch.values
    raise TypeError("columns came to a partitioner that asks a user's code; they are to be turned into rows before")
