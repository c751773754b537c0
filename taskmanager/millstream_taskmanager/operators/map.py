"""One record out for each in."""

from millstream_dataflow.functions import resolve_map
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.specifications import MapSpecification
from millstream_taskmanager.operators.fusion import LoopSource, Stage


class MapStage(Stage):
    """See the module."""

    @staticmethod
    def write(loop: LoopSource) -> None:
        """`v1 = f0(v0)`."""
        loop.own(f"{loop.result} = {loop.function}({loop.value})")
        loop.value = loop.result


def map_stage(node: ChainNode, specification: MapSpecification) -> MapStage:
    """From its specification."""
    return MapStage(node, resolve_map(specification.function), specification.function)
