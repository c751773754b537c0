"""Any number of records out for each in: what the function yields or returns; None is none."""

from millstream_dataflow.functions import resolve_flat_map
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.specifications import FlatMapSpecification
from millstream_taskmanager.operators.fusion import LoopSource, Stage


class FlatMapStage(Stage):
    """See the module."""

    multiplies = True

    @staticmethod
    def write(loop: LoopSource) -> None:
        """A loop within the loop; a generator raises in its head."""
        items = f"items{loop.stage}"
        loop.own(f"{items} = {loop.function}({loop.value})")
        loop.line(f"if {items} is None:")
        loop.line("    continue")
        loop.own(f"for {loop.result} in {items} if type({items}) in SEVERAL else several({items}):")
        loop.deeper()
        loop.value = loop.result


def flat_map_stage(node: ChainNode, specification: FlatMapSpecification) -> FlatMapStage:
    """From its specification."""
    return FlatMapStage(node, resolve_flat_map(specification.function), specification.function)
