"""What each write of a leader checks, in the same transaction: that nobody has led since, and that its session lives.

`epoch` has the version that this leader wrote for as long as nobody else has led; `leader` is there for as long as the
session of somebody is. A write of a deposed leader fails, whenever it arrives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from millstream_runtime.leadership.nodes import ClusterNodes
from millstream_runtime.leadership.zookeeper import Check, Operation, Refused

CHECKS: Final = 2
"""How many operations stand before those of the write."""


@dataclass(slots=True)
class Fence:
    """Of one office. `version` is the one of `epoch`; raising the epoch within an office changes it."""

    nodes: ClusterNodes
    version: int

    def guard(self, *operations: Operation) -> Sequence[Operation]:
        """The transaction of these."""
        return Check(self.nodes.leader), Check(self.nodes.epoch, self.version), *operations


def is_deposed(refused: Refused) -> bool:
    """It was the fence that failed, not the write."""
    return refused.place < CHECKS
