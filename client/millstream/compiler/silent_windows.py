"""Windows of event time that would never fire, and say nothing: an input without end brings them no watermark."""

from collections.abc import Iterator

from millstream.compiler.batch import is_unbounded
from millstream.compiler.naming import label
from millstream.compiler.stream_graph import StreamGraph, StreamNode
from millstream_dataflow.operators.specifications import ReaderSpecification, TimestampsSpecification
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.time import NoWatermarks


def silent_windows(graph: StreamGraph) -> Iterator[str]:
    """What there is to say of each. With a trigger of the user's own they may fire by something else."""
    for node in graph.nodes.values():
        specification = node.operator.specification
        if not isinstance(specification, WindowSpecification) or specification.trigger is not None:
            continue
        if specification.assigner.is_event_time() and (source := _without_watermarks(graph, node)) is not None:
            yield (
                f"windows of event time in {label(node.operator)} ({node.defined_at}) don't fire while the job runs: "
                f"{label(source.operator)} ({source.defined_at}) never ends and gives no watermarks; call "
                "assign_timestamps_and_watermarks(...) before them, or use windows of processing time"
            )


def _without_watermarks(graph: StreamGraph, node: StreamNode) -> StreamNode | None:
    """A source without end from which no watermark comes to an operator."""
    seen, waiting = set[int](), [node.number]
    while waiting:
        for edge in graph.inputs(waiting.pop()):
            above = graph.nodes[edge.source]
            specification = above.operator.specification
            if above.number in seen or _makes_watermarks(specification):
                continue
            seen.add(above.number)
            if is_unbounded(above):
                return above
            waiting.append(above.number)
    return None


def _makes_watermarks(specification: object) -> bool:
    if not isinstance(specification, ReaderSpecification | TimestampsSpecification):
        return False
    return specification.strategy.generator is not NoWatermarks
