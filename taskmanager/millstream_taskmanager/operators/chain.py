"""The operators of a vertex as one tree, pulled batch by batch.

    head -> fused (map, filter) -> outlet 0
                                -> sink

Whoever pulls gets what leaves the vertex, one element at a time, and may stop at any; what stays inside (a sink's
batch) is handled on the way. A batch comes to each consumer in the form that it takes, and all consumers but the last
get a copy. Watermarks and statuses walk the same tree, so each operator meets them behind the records that they
follow.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from typing import Any

from millstream_dataflow.identity import CheckpointId, OperatorId
from millstream_dataflow.records import Barrier, Batch, ColumnBatch, RowBatch, StreamStatus, Watermark
from millstream_dataflow.types import TypeInformation
from millstream_runtime.checkpoint_files.contents import StoredList
from millstream_runtime.messages.session import UserMetric
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_taskmanager.operators.base import (
    PAUSE,
    Commit,
    Operator,
    OperatorContext,
    Output,
    SideBatch,
    Takes,
)
from millstream_taskmanager.operators.chain_snapshot import ChainSnapshot, OperatorPart
from millstream_taskmanager.operators.conversion import ToColumns, to_rows
from millstream_taskmanager.operators.declared import Declared
from millstream_taskmanager.operators.waiting import Rest
from millstream_taskmanager.user_code.copies import copied
from millstream_taskmanager.user_code.errors import Naming

Emission = tuple[int, Batch | Watermark | StreamStatus | Rest]
"""Which output of the vertex, and what goes there; a rest goes nowhere."""

_Event = Watermark | StreamStatus
_PAUSED: Emission = (-1, PAUSE)


class Consumer:
    """Takes one output of an operator, in the form that it wants."""

    def __init__(self, takes: Takes, type_: TypeInformation[Any] | None, operator: str) -> None:
        """`type_` is that of the records that come, `operator` who wants them."""
        self._takes = takes
        self._to_columns = ToColumns(type_, operator)

    def converted(self, batch: Batch) -> Batch:
        """The batch in the form that is wanted."""
        if self._takes is Takes.ROWS and isinstance(batch, ColumnBatch):
            return to_rows(batch)
        if self._takes is Takes.COLUMNS and isinstance(batch, RowBatch):
            return self._to_columns(batch)
        return batch

    def take(self, batch: Batch) -> Iterable[Emission]:
        """A batch."""
        raise NotImplementedError

    def take_event(self, event: _Event) -> Iterable[Emission]:
        """A watermark or a status."""
        raise NotImplementedError


class Outlet(Consumer):
    """An output of the vertex."""

    def __init__(self, index: int, *, rows_only: bool) -> None:
        super().__init__(Takes.ROWS if rows_only else Takes.EITHER, None, "")
        self._index = index

    def take(self, batch: Batch) -> Iterable[Emission]:
        """See Consumer."""
        return ((self._index, self.converted(batch)),)

    def take_event(self, event: _Event) -> Iterable[Emission]:
        """See Consumer."""
        return ((self._index, event),)


class Link(Consumer):
    """An operator in its place in the tree."""

    def __init__(
        self,
        operator: Operator,
        name: str,
        type_: TypeInformation[Any] | None = None,
        gives: Mapping[str, Sequence[Declared]] | None = None,
        *,
        reuse: bool = False,
    ) -> None:
        """`type_`: of what comes to it, where it is known. `gives`: what its user declared of what it gives, by tag.
        `reuse`: nobody changes records, so all get the same.
        """
        super().__init__(operator.takes, type_, name)
        self.operator = operator
        self._name = name
        self._gives = gives or {}
        self._reuse = reuse
        self._main: list[Consumer] = []
        self._sides: dict[str, list[Consumer]] = {}

    def feed(self, consumer: Consumer, tag: str = "") -> None:
        """Let a consumer take an output of the operator."""
        (self._sides.setdefault(tag, []) if tag else self._main).append(consumer)

    def take(self, batch: Batch) -> Iterable[Emission]:
        """See Consumer."""
        return self.spread(self.operator.process(0, self.converted(batch)))

    def take_event(self, event: _Event) -> Iterator[Emission]:
        """See Consumer."""
        if isinstance(event, Watermark):
            yield from self.spread(self.operator.advance(event))
        elif self.operator.makes_watermarks:
            yield from self.spread(self.operator.status(event))
        if not self.operator.makes_watermarks:
            yield from self._announce(event)

    def spread(self, outputs: Iterable[Output]) -> Iterator[Emission]:
        """What the operator gave, through everything behind it."""
        for output in outputs:
            if output is PAUSE:
                yield _PAUSED
            elif isinstance(output, RowBatch | ColumnBatch):
                yield from self._hand_over(self._completed(output, ""), self._main)
            elif isinstance(output, SideBatch):
                batch = self._completed(output.batch, output.tag)
                yield from self._hand_over(batch, self._sides.get(output.tag, ()))
            elif isinstance(output, Rest):
                yield -1, output
            else:
                yield from self._announce(output)

    def _completed(self, batch: Batch, tag: str) -> Batch:
        for declared in self._gives.get(tag, ()):
            batch = declared.completed(batch)
        return batch

    def _announce(self, event: _Event) -> Iterator[Emission]:
        for consumer in self._main:
            yield from consumer.take_event(event)
        for consumers in self._sides.values():
            for consumer in consumers:
                yield from consumer.take_event(event)

    def _hand_over(self, batch: Batch, consumers: Sequence[Consumer]) -> Iterable[Emission]:
        return consumers[0].take(batch) if len(consumers) == 1 else self._hand_out(batch, consumers)

    def _hand_out(self, batch: Batch, consumers: Sequence[Consumer]) -> Iterator[Emission]:
        for consumer in consumers[:-1]:
            yield from consumer.take(batch if self._reuse else self._copied(batch))
        if consumers:
            yield from consumers[-1].take(batch)

    def _copied(self, batch: Batch) -> Batch:
        with Naming(self._name):
            return copied(batch)


@dataclass(frozen=True, slots=True)
class Member:
    """An operator of a chain and its identity. A fused run goes by that of its first operator."""

    id: OperatorId
    name: str
    link: Link

    @property
    def operator(self) -> Operator:
        """The operator."""
        return self.link.operator


def _count(id_: OperatorId, operator: Operator) -> OperatorCount:
    return OperatorCount(
        id_,
        received=operator.received,
        processed=operator.processed,
        late=operator.late,
        skipped=operator.skipped,
        held=operator.held,
    )


ContextOf = Callable[[OperatorId, str], OperatorContext]
"""Makes the context of an operator by id and name."""


class Chain:
    """The operators of one task, parents first; the first is the head. Its generators are pulled one at a time."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._by_id = {member.id: member.link for member in members}
        self._idle_clocks = [member.operator for member in members if member.operator.counts_idleness]
        self.counts_idleness = bool(self._idle_clocks)
        """Whether `hold` is of interest."""
        self._narrow = [one.operator for one in members if type(one.operator).accepts is not Operator.accepts]
        self._contexts: dict[OperatorId, OperatorContext] = {}
        self._strays: list[OperatorPart] = []
        self.head = members[0].link

    @property
    def operators(self) -> Iterator[Operator]:
        """All operators, parents first."""
        return (member.operator for member in self._members)

    def find(self, id_: OperatorId) -> Operator | None:
        """The operator of that id, if it is here."""
        link = self._by_id.get(id_)
        return None if link is None else link.operator

    def open(self, context_of: ContextOf) -> None:
        """Consumers first, so that each operator may emit as soon as it is open."""
        for member in reversed(self._members):
            context = self._contexts[member.id] = context_of(member.id, member.name)
            with Naming(member.name):
                member.operator.open(context)
                context.state.settle()

    def keep(self, id_: OperatorId, lists: Sequence[StoredList]) -> None:
        """Lists of an operator that had some and is none by itself any more: its function keeps none now, so that it
        runs within another. They are stored again.
        """
        if lists:
            self._strays.append(OperatorPart(id_, id_, lists, None))

    def close(self) -> None:
        """Close all; when several raise, the first one's error goes on."""
        with ExitStack() as stack:
            for member in self._members:
                stack.callback(member.operator.close)

    # ----------------------------------------------------------------------------- what comes, and what it gives

    def process(self, number: int, batch: Batch) -> Iterator[Emission]:
        """A batch of input `number`. Nothing is done before the first pull, which is when the task's clock runs."""
        yield from self.head.spread(self.head.operator.process(number, self.head.converted(batch)))

    def event(self, event: Watermark | StreamStatus) -> Iterator[Emission]:
        """The task's watermark or status has changed."""
        return self.head.take_event(event)

    def from_head(self, outputs: Iterable[Output]) -> Iterator[Emission]:
        """What the head gave without an input: a reader's batch."""
        return self.head.spread(outputs)

    def on_time(self, id_: OperatorId, now: int) -> Iterator[Emission]:
        """The time has come that an operator asked for."""
        link = self._by_id[id_]
        return link.spread(link.operator.on_time(now))

    def end_of_input(self, number: int) -> Iterator[Emission]:
        """Input `number` of the head has no more records."""
        return self.head.spread(self.head.operator.end_of_input(number))

    def finish(self) -> Iterator[Emission]:
        """No input of the head has; each operator ends before those behind it."""
        for member in self._members:
            if member.link is not self.head:
                yield from member.link.spread(member.operator.end_of_input(0))
            yield from member.link.spread(member.operator.finish())

    # ------------------------------------------------------------------------------------------- checkpoints

    def snapshot(self, barrier: Barrier, *, ended: bool) -> ChainSnapshot:
        """What each operator stores; those without state are left out."""
        parts: list[OperatorPart] = []
        for member in self._members:
            with Naming(member.name):
                stored = member.operator.snapshot(barrier, ended=ended)
            lists = [*stored, *self._contexts[member.id].left_over()]
            keyed = member.operator.keyed_snapshot()
            if lists or keyed is not None:
                parts.append(OperatorPart(member.id, member.name, lists, keyed))
        return ChainSnapshot([*parts, *self._strays])

    def metrics(self) -> tuple[UserMetric, ...]:
        """What functions of the user's tell of themselves."""
        return tuple(metric for context in self._contexts.values() for metric in context.metrics.told())

    def counts(self) -> Mapping[OperatorId, OperatorCount]:
        """What the audit asks of operators, since the attempt began (law 10.2)."""
        audited = (member for member in self._members if member.operator.audited)
        return {member.id: _count(member.id, member.operator) for member in audited}

    def restored_commits(self) -> list[Commit]:
        """What the restored checkpoint had prepared to go outside."""
        return [commit for operator in self.operators if (commit := operator.restored_commit()) is not None]

    def commits(self, checkpoint: CheckpointId) -> list[Commit]:
        """What goes outside now that the checkpoint is complete."""
        return [commit for operator in self.operators if (commit := operator.commit(checkpoint)) is not None]

    # -------------------------------------------------------------------------------------- who waits outside

    @property
    def accepts(self) -> bool:
        """Whether every operator has room for more."""
        for operator in self._narrow:  # noqa: SIM110  # asked at every step, and most chains have none
            if not operator.accepts:
                return False
        return True

    @property
    def room(self) -> float:
        """How many records it may well be given at a turn."""
        return min([operator.room for operator in self._narrow], default=inf)

    @property
    def settled(self) -> bool:
        """Whether nothing is waited for by somebody outside."""
        return all(operator.settled for operator in self.operators)

    # ------------------------------------------------------------------------------------------------- clocks

    def hold(self, *, held: bool) -> None:
        """The task can't take input, or can again."""
        for operator in self._idle_clocks:
            operator.hold(held=held)
