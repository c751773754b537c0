"""From a specification to its operator, by class. A job with an operator that isn't here is refused before it
starts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.grouped import (
    BroadcastFirstSpecification,
    FinalReduceSpecification,
    GroupedSpecification,
)
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
    WindowSpecification,
    selections_of,
)
from millstream_dataflow.operators.two_inputs import (
    BroadcastProcessSpecification,
    CoProcessSpecification,
    IntervalJoinSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_taskmanager.operators.async_wait import AsyncWaitOperator
from millstream_taskmanager.operators.base import SLICE, Operator, label
from millstream_taskmanager.operators.broadcast_first import BroadcastFirstOperator
from millstream_taskmanager.operators.broadcast_process import BroadcastProcessOperator
from millstream_taskmanager.operators.co_process import CoProcessOperator
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.enumerator import EnumeratorOperator
from millstream_taskmanager.operators.expressions import (
    FilterExpressionOperator,
    MapExpressionOperator,
    ProjectOperator,
    SelectOperator,
)
from millstream_taskmanager.operators.filter import filter_stage
from millstream_taskmanager.operators.final_reduce import FinalReduceOperator
from millstream_taskmanager.operators.flat_map import flat_map_stage
from millstream_taskmanager.operators.fusion import Stage
from millstream_taskmanager.operators.grouped import GroupedOperator
from millstream_taskmanager.operators.interval_join import IntervalJoinOperator
from millstream_taskmanager.operators.keyed_broadcast_process import KeyedBroadcastProcessOperator
from millstream_taskmanager.operators.keyed_co_process import KeyedCoProcessOperator
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.keyed_reduce import KeyedReduceOperator
from millstream_taskmanager.operators.map import map_stage
from millstream_taskmanager.operators.map_batches import MapBatchesOperator
from millstream_taskmanager.operators.process import ProcessOperator
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.sink import SinkOperator
from millstream_taskmanager.operators.timestamps import TimestampsOperator
from millstream_taskmanager.operators.window_roads import window_operator
from millstream_taskmanager.user_code.errors import UnsupportedOperatorError


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """What operators take from the job's configuration: milliseconds."""

    watermark_interval: int = 200
    results_wait: bool = False
    """Whether collected records are fetched by requests from outside, so that a task must wait for them."""
    object_reuse: bool = False
    """Whether nobody changes a record that was emitted, so that none is copied for more than one holder."""
    batch: int = SLICE
    """The most records of a batch, and those behind which a bounded split has a watermark."""
    sort_memory: int = 128 << 20
    """Bytes that a grouped operator may hold of its input, about."""
    spill_directory: str = ""
    """Where the rest of it goes; empty: where the system has temporary files."""


# Any: each maker takes the class of specification that it is filed under.
STAGES: Mapping[type[OperatorSpecification], Callable[[ChainNode, Any], Stage]] = {
    MapSpecification: map_stage,
    FilterSpecification: filter_stage,
    FlatMapSpecification: flat_map_stage,
}
"""Those that share a loop."""

OPERATORS: Mapping[type[OperatorSpecification], Callable[[Any, OperatorSettings], Operator]] = {
    AsyncWaitSpecification: lambda it, settings: AsyncWaitOperator(it, reuse=settings.object_reuse),
    KeyedProcessSpecification: lambda it, settings: KeyedProcessOperator(it, reuse=settings.object_reuse),
    KeyedReduceSpecification: lambda specification, _: KeyedReduceOperator(specification),
    FilterExpressionSpecification: lambda specification, _: FilterExpressionOperator(specification),
    MapExpressionSpecification: lambda specification, _: MapExpressionOperator(specification),
    SelectSpecification: lambda specification, _: SelectOperator(specification),
    ProjectSpecification: lambda specification, _: ProjectOperator(specification),
    CoProcessSpecification: lambda it, settings: CoProcessOperator(it, reuse=settings.object_reuse),
    KeyedCoProcessSpecification: lambda it, settings: KeyedCoProcessOperator(it, reuse=settings.object_reuse),
    BroadcastProcessSpecification: lambda it, settings: BroadcastProcessOperator(it, reuse=settings.object_reuse),
    KeyedBroadcastProcessSpecification: lambda it, settings: KeyedBroadcastProcessOperator(
        it, reuse=settings.object_reuse
    ),
    IntervalJoinSpecification: lambda it, settings: IntervalJoinOperator(it, reuse=settings.object_reuse),
    WindowSpecification: lambda it, settings: window_operator(it, reuse=settings.object_reuse),
    MapBatchesSpecification: lambda it, settings: MapBatchesOperator(it, reuse=settings.object_reuse),
    ProcessSpecification: lambda it, settings: ProcessOperator(it, reuse=settings.object_reuse),
    TimestampsSpecification: lambda specification, settings: TimestampsOperator(
        specification, settings.watermark_interval
    ),
    ReaderSpecification: lambda specification, settings: ReaderOperator(
        specification, settings.watermark_interval, settings.batch, reuse=settings.object_reuse
    ),
    EnumeratorSpecification: lambda specification, _: EnumeratorOperator(specification),
    SinkSpecification: lambda specification, _: SinkOperator(specification),
    CollectSpecification: lambda it, settings: CollectOperator(it, waits=settings.results_wait),
    FinalReduceSpecification: lambda specification, _: FinalReduceOperator(specification),
    BroadcastFirstSpecification: lambda it, settings: BroadcastFirstOperator(
        make(it.inner, settings), settings.sort_memory, settings.spill_directory
    ),
    GroupedSpecification: lambda it, settings: GroupedOperator(
        make(it.inner, settings), selections_of(it.inner), settings.sort_memory, settings.spill_directory
    ),
}


def make(specification: OperatorSpecification, settings: OperatorSettings) -> Operator:
    """The operator of a specification that stands alone; UnsupportedOperatorError when there is none."""
    maker = OPERATORS.get(type(specification))
    if maker is None:
        kind = type(specification).__name__.removesuffix("Specification")
        raise UnsupportedOperatorError(f"this version has nothing that runs a {kind} operator")
    return maker(specification, settings)


def make_operator(node: ChainNode, settings: OperatorSettings) -> Operator:
    """The operator of a node that stands alone; UnsupportedOperatorError when there is none."""
    try:
        return make(node.specification, settings)
    except UnsupportedOperatorError as error:
        raise UnsupportedOperatorError(f"operator {label(node)}: {error}") from None
