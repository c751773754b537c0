"""Batch as a special case of streaming: what the compiler does otherwise when the program runs in batch mode.

* Operators get their batch form (`millstream_dataflow.operators.grouped`); ids, names and chains stay those of
  streaming mode.
* Vertices exchange records through files. All edges are blocking, forward ones too, as in Flink: what is pipelined must
  run at the same time, and `a.union(a.key_by(...).reduce(...))` would wait for itself. Splits alone still flow, for a
  reader asks for them.
* A sink has a vertex of its own where its chain has other readers. So all sinks stand in the last stage, whose final
  checkpoint commits them together, and none keeps a slot that a later stage needs.
"""

import logging
from collections.abc import Collection, Iterable
from typing import Final

from millstream.compiler.chaining import Chain, build_chains
from millstream.compiler.naming import label
from millstream.compiler.stream_graph import StreamGraph, StreamNode
from millstream.errors import RuntimeModeError
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import BatchShuffleMode, RuntimeExecutionMode
from millstream_dataflow.configuration.options import batch, checkpointing, execution, recovery
from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.job_graph import Exchange, Partitioning
from millstream_dataflow.operators.specifications import CollectSpecification, ReaderSpecification, SinkSpecification

_log = logging.getLogger("millstream")
_KEY: Final = execution.RUNTIME_MODE.key


def with_mode(graph: StreamGraph, configuration: Configuration) -> Configuration:
    """The configuration with the mode decided: AUTOMATIC is BATCH if every source is bounded. RuntimeModeError for an
    unbounded source in batch mode, or a checkpoint to start from.
    """
    chosen = configuration.get(execution.RUNTIME_MODE)
    if chosen is RuntimeExecutionMode.STREAMING:
        return configuration
    unbounded = next(filter(is_unbounded, graph.nodes.values()), None)
    if chosen is RuntimeExecutionMode.AUTOMATIC and unbounded is not None:
        return configuration.with_(execution.RUNTIME_MODE, RuntimeExecutionMode.STREAMING)
    if unbounded is not None:
        what = f"batch mode reads its input to the end, and this source has none ({_KEY}: BATCH)"
        mend = "bound the source, or run the program in the mode STREAMING or AUTOMATIC"
        raise RuntimeModeError(what, mend, operator=label(unbounded.operator), defined_at=unbounded.defined_at)
    if configuration.get(recovery.PATH) is not None:
        what = f"a job in batch mode starts from no checkpoint ({recovery.PATH.key}, run -s)"
        raise RuntimeModeError(what, "leave the checkpoint out, or run the program in the mode STREAMING")
    if configuration.get(checkpointing.INTERVAL) is not None:
        _log.warning(
            "%s has no effect in batch mode: a stage that fails is run again from the results of the stages before",
            checkpointing.INTERVAL.key,
        )
    return configuration.with_(execution.RUNTIME_MODE, RuntimeExecutionMode.BATCH)


def is_unbounded(node: StreamNode) -> bool:
    """Whether it is a source that never ends."""
    specification = node.operator.specification
    return isinstance(specification, ReaderSpecification) and (
        specification.source.boundedness is Boundedness.CONTINUOUS_UNBOUNDED
    )


def is_batch(configuration: Configuration) -> bool:
    """Whether it is decided that the job runs in batch mode."""
    return configuration.get(execution.RUNTIME_MODE) is RuntimeExecutionMode.BATCH


def has_stages(configuration: Configuration) -> bool:
    """Whether tasks exchange records through files."""
    blocking = configuration.get(batch.SHUFFLE_MODE) is BatchShuffleMode.ALL_EXCHANGES_BLOCKING
    return is_batch(configuration) and blocking


def chains_of(graph: StreamGraph, configuration: Configuration) -> tuple[Chain, ...]:
    """The chains of the graph in the decided mode."""
    chaining = configuration.get(execution.OPERATOR_CHAINING)
    chains = build_chains(graph, chaining=chaining)
    if not has_stages(configuration):
        return chains
    return build_chains(graph, chaining=chaining, apart=_sinks_among_others(graph, chains))


def _sinks_among_others(graph: StreamGraph, chains: Iterable[Chain]) -> Collection[int]:
    """The sinks of chains that a later stage reads from, by number."""
    apart = set[int]()
    for chain in chains:
        inside = {link.node.number for link in chain.links}
        if any(edge.target not in inside for number in inside for edge in graph.outputs(number)):
            apart |= {link.node.number for link in chain.links if _keeps_its_task(link.node)}
    return apart


def _keeps_its_task(node: StreamNode) -> bool:
    """Whether its task stays until the job's last checkpoint, or until a client has fetched its records."""
    return isinstance(node.operator.specification, SinkSpecification | CollectSpecification)


def exchange_of(partitioning: Partitioning, *, stages: bool) -> Exchange:
    """How the records of an edge between two vertices travel."""
    return Exchange.BLOCKING if stages and partitioning is not Partitioning.SPLITS else Exchange.PIPELINED
