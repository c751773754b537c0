"""The records for which the function is true."""

from millstream_dataflow.functions import resolve_filter
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.specifications import FilterSpecification
from millstream_taskmanager.operators.fusion import LoopSource, Stage


class FilterStage(Stage):
    """See the module."""

    drops = True
    gives = False

    @staticmethod
    def write(loop: LoopSource) -> None:
        """`if not f0(v0): continue`. The truth of what the user gives may be the user's code as well."""
        loop.own(f"if not {loop.function}({loop.value}):")
        loop.line("    continue")


def filter_stage(node: ChainNode, specification: FilterSpecification) -> FilterStage:
    """From its specification."""
    return FilterStage(node, resolve_filter(specification.function), specification.function)
