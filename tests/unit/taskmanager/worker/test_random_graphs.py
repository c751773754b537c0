"""Whatever the graph and however small the credits.

Every record arrives once, in order per channel, and nothing stands still.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import FlatMapSpecification, MapSpecification
from millstream_dataflow.records import Batch, Control, RowBatch
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.exchange.gate import Gate, Taken
from millstream_taskmanager.exchange.output import Outputs
from millstream_taskmanager.exchange.pending import FlushRules, PendingList
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.tasks import Draft, Drawing, ListSource, VirtualJob

PARTITIONINGS = [p for p in Partitioning if p not in {Partitioning.SPLITS, Partitioning.FORWARD}]


@dataclass(frozen=True)
class Layer:
    """A vertex: how wide, and how each of its inputs (by number of the vertex) comes."""

    parallelism: int
    inputs: tuple[tuple[int, Partitioning], ...]
    multiplies: bool


@dataclass(frozen=True)
class Shape:
    """A random job."""

    sources: tuple[tuple[int, int, bool], ...]
    """Parallelism, records per split, with enumerator."""
    layers: tuple[Layer, ...]
    settings: TaskSettings
    timed: bool
    order: tuple[int, ...]
    """Ranks of the vertices: whoever has a high one has its turns first, be it a source."""


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    sources = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30), st.booleans()), min_size=1, max_size=2))
    layers: list[Layer] = []
    for number in range(draw(st.integers(1, 4))):
        above = st.integers(0, len(sources) + number - 1)
        inputs = draw(st.lists(st.tuples(above, st.sampled_from(PARTITIONINGS)), min_size=1, max_size=2))
        layers.append(Layer(draw(st.integers(1, 3)), tuple(inputs), draw(st.booleans())))
    flush = FlushRules(draw(st.integers(1, 8)), draw(st.integers(1, 200)), 100)
    sizes = draw(st.integers(1, 200)), draw(st.integers(0, 400))
    order = draw(st.lists(st.integers(0, 9), min_size=len(sources) + len(layers), max_size=len(sources) + len(layers)))
    settings_ = TaskSettings(flush, *sizes, seed=draw(st.integers(0, 99)))
    return Shape(tuple(sources), tuple(layers), settings_, draw(st.booleans()), tuple(order))


def drawn(shape: Shape) -> tuple[Drawing, dict[str, Counter[Any]]]:
    """The job, and what each of its collecting vertices must get."""
    drawing = Drawing()
    vertices: list[tuple[Draft, Counter[Any]]] = []
    for number, (parallelism, records, enumerated) in enumerate(shape.sources):
        splits = tuple(tuple(((number, split, record), record) for record in range(records)) for split in range(4))
        lists = ListSource(splits, timed=True, has_enumerator=enumerated, batch=3)
        strategy = WatermarkStrategy.for_monotonous_timestamps() if shape.timed else None
        source = drawing.source(f"s{number}", lists, strategy, parallelism=parallelism)
        vertices.append((source, Counter(record for split in splits for record, _ in split)))
    for number, layer in enumerate(shape.layers):
        multiplies = FlatMapSpecification(lambda value: [value] * 3)
        operator = multiplies if layer.multiplies else MapSpecification(lambda value: value)
        draft = drawing.vertex(f"v{number}", operator, parallelism=layer.parallelism)
        arrive = Counter[Any]()
        for above, partitioning in layer.inputs:
            source, records_ = vertices[above]
            connect(drawing, source, draft, partitioning)
            copies = layer.parallelism if partitioning is Partitioning.BROADCAST else 1
            arrive += Counter({record: count * copies for record, count in records_.items()})
        times = 3 if layer.multiplies else 1
        vertices.append((draft, Counter({record: count * times for record, count in arrive.items()})))
    expected: dict[str, Counter[Any]] = {}
    for draft, records_ in vertices:
        sink = drawing.collect(f"{draft.name}-out", parallelism=draft.parallelism)
        drawing.edge(draft, sink)
        expected[sink.name] = records_
    return drawing, expected


def connect(drawing: Drawing, source: Draft, target: Draft, partitioning: Partitioning) -> None:
    drawing.edge(source, target, partitioning, key=lambda value: value, custom=lambda key, n: hash(key) % n)


class Tap:
    """What was written into each channel and what was taken out, value by value."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: dict[ChannelId, list[Any]] = {}
        self.taken: dict[ChannelId, list[Any]] = {}
        add, take, emit = PendingList.add, Gate.take, Outputs.emit

        def tapped_add(pending: PendingList, batch: Batch, size: int, now: int) -> bool:
            assert isinstance(batch, RowBatch)
            self.written.setdefault(pending.id, []).extend(batch.values)
            return add(pending, batch, size, now)

        def tapped_take(gate: Gate) -> Taken | None:
            taken = take(gate)
            if taken is not None and isinstance(taken.element, RowBatch):
                self.taken.setdefault(gate.channels[taken.channel], []).extend(taken.element.values)
            return taken

        def tapped_emit(outputs: Outputs, index: int, element: Batch | Control, now: int) -> None:
            assert not isinstance(element, RowBatch) or outputs.writable, "data without credit"
            emit(outputs, index, element, now)

        monkeypatch.setattr(Outputs, "emit", tapped_emit)
        monkeypatch.setattr(PendingList, "add", tapped_add)
        monkeypatch.setattr(Gate, "take", tapped_take)


@given(shapes())
def test_every_record_once_and_in_order(shape: Shape) -> None:
    with pytest.MonkeyPatch.context() as context:
        tap = Tap(context)
        drawing, expected = drawn(shape)
        rank = {name.removesuffix("-out"): number for name, number in zip(expected, shape.order, strict=True)}
        job = VirtualJob(drawing, shape.settings, rank=rank)
        job.pass_time(400, step=100)
        job.finish()
        assert tap.taken == tap.written
        for vertex, records in expected.items():
            assert Counter(job.collected(vertex)) == records
