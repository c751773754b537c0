"""Functions of ours that stand for one of the user's, which lives within them: it is opened and closed as if it were
the operator's own, knows its runtime context, and stores its own lists (Flink's WrappingFunction).

These functions travel to the workers, so they import nothing of the client.
"""

from millstream_dataflow.functions import Function, RuntimeContext
from millstream_dataflow.functions.function import give_context
from millstream_dataflow.state import CheckpointedFunction, FunctionInitializationContext, FunctionSnapshotContext


class StandIn(Function, CheckpointedFunction):
    """To be named before the class of functions that it is for the operator. A plain callable has no life."""

    def __init__(self, function: object) -> None:
        self.function = function
        self.__name__: str = getattr(function, "__name__", type(function).__name__)  # what errors call it

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        """As the function wants it."""
        if isinstance(self.function, Function):
            give_context(self.function, self.get_runtime_context())
        if isinstance(self.function, CheckpointedFunction):
            self.function.initialize_state(context)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        """As the function wants it."""
        if isinstance(self.function, CheckpointedFunction):
            self.function.snapshot_state(context)

    def open(self, runtime_context: RuntimeContext) -> None:
        """As the function wants it."""
        if isinstance(self.function, Function):
            self.function.open(runtime_context)

    def close(self) -> None:
        """As the function wants it."""
        if isinstance(self.function, Function):
            self.function.close()
