"""State of a subtask that belongs to no key, such as a buffer or a count of its own (Flink, "Operator State")."""

from abc import ABC, abstractmethod

from millstream_dataflow.state.stores import KeyedStateStore, OperatorStateStore


class FunctionInitializationContext(ABC):
    """What a function has when its state is set up."""

    @abstractmethod
    def is_restored(self) -> bool:
        """Whether the job goes on from a checkpoint or savepoint."""

    @abstractmethod
    def get_restored_checkpoint_id(self) -> int | None:
        """The checkpoint or savepoint that the job goes on from; None at its first start."""

    @abstractmethod
    def get_operator_state_store(self) -> OperatorStateStore:
        """Where the state is asked for."""

    @abstractmethod
    def get_keyed_state_store(self) -> KeyedStateStore:
        """Where state of keys is asked for, as `open` may; on a stream without keys that is refused."""


class FunctionSnapshotContext(ABC):
    """What a function has when its state is about to be stored."""

    @abstractmethod
    def get_checkpoint_id(self) -> int:
        """The checkpoint that is taken; ids rise and never repeat (law 1.4)."""

    @abstractmethod
    def get_checkpoint_timestamp(self) -> int:
        """When it came here, in milliseconds since the epoch, by this machine's clock. In Flink it is the time at which
        the JobManager began it.
        """


class CheckpointedFunction(ABC):
    """Mixed into a function that keeps state beside the keyed one.

    As in `class Buffer(FlatMapFunction, CheckpointedFunction)`.
    """

    @abstractmethod
    def initialize_state(self, context: FunctionInitializationContext) -> None:
        """Called once, ahead of `open` as in Flink: ask for state, and take up what is restored."""

    @abstractmethod
    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        """Called at each checkpoint, between two records: put into the state what must survive. Keep it short."""
