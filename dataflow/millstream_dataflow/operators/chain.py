"""What a vertex's blob holds: the tree of its operators, and what its inputs and outputs need beyond the job graph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.identity import EdgeId, OperatorId
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification
from millstream_dataflow.types import TypeInformation

HEAD = -1
"""Parent of the operator that takes the vertex's input."""


@dataclass(frozen=True, slots=True)
class ChainNode:
    """One operator of the tree. Nodes stand in an order in which parents come first."""

    id: OperatorId
    name: str
    specification: OperatorSpecification
    parent: int = HEAD
    tag: str = ""
    """Which output of the parent it takes; empty for the main one."""
    defined_at: str = ""
    """`file:line` of the user's call, for errors."""
    type: TypeInformation[Any] | None = None
    """Declared for the records of its main output; None: nothing was."""
    tag_type: TypeInformation[Any] | None = None
    """Declared for the records that come by `tag`; None: nothing was."""


@dataclass(frozen=True, slots=True)
class ChainInput:
    """One edge into the vertex."""

    edge: EdgeId
    type: TypeInformation[Any] | None = None
    input: int = 0
    """Which input of the head it feeds; several edges feed one where streams are a union."""


@dataclass(frozen=True, slots=True)
class ChainOutput:
    """One edge out of the vertex.

    Which node and tag feed it, and how a record's channel is chosen where that takes code.
    """

    edge: EdgeId
    node: int
    tag: str = ""
    type: TypeInformation[Any] | None = None
    key: KeySelection | None = None
    partitioner: Callable[[Any, int], int] | None = None
    """For custom partitioning: key and number of partitions to partition."""
    defined_at: str = ""
    """Where the user chose how records travel; empty where nobody did."""


@dataclass(frozen=True, slots=True)
class ChainSpecification:
    """A vertex as the worker runs it."""

    nodes: Sequence[ChainNode]
    inputs: Sequence[ChainInput] = ()
    outputs: Sequence[ChainOutput] = ()
