"""PyFlink's enumerations that nothing in Millstream asks for by themselves."""

from enum import Enum


class DeliveryGuarantee(Enum):
    """What a connector may promise about records when a job restarts. A connector of yours may take it; our sinks
    deliver exactly once where they commit at checkpoints.
    """

    EXACTLY_ONCE = 0
    AT_LEAST_ONCE = 1
    NONE = 2


class InputDependencyConstraint(Enum):
    """Whether a task waits for one of its inputs or for all of them. No call takes it, in Flink 2 neither."""

    ANY = 0
    ALL = 1
