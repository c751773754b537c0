"""What the user's calls become: a tree of values that points from each stream back to where it comes from. No
behaviour.

A compiler (`millstream.compiler`) turns it into a job graph. Ids count up in the order of the calls, so two runs of
the same program give the same ids where the user set no `uid`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification
from millstream_dataflow.types import TypeInformation


@dataclass(eq=False, slots=True)
class Transformation:
    """Base of all: something that gives a stream. Identity is the object's own."""

    number: int
    inputs: tuple["Transformation", ...]
    type: TypeInformation[Any] | None


@dataclass(eq=False, slots=True)
class OperatorTransformation(Transformation):
    """An operator. Settings that the user may change after the call are plain fields."""

    specification: OperatorSpecification
    name: str
    parallelism: int | None = None
    """None: the environment's."""
    max_parallelism: int | None = None
    fixed_parallelism: int | None = None
    """Set where another would be wrong: collections, enumerators."""
    uid: str | None = None
    description: str = ""
    slot_sharing_group: str | None = None
    """None: the inputs' if they agree, else `default`."""
    chain_with_input: bool = True
    chain_with_outputs: bool = True
    defined_at: str = ""


@dataclass(eq=False, slots=True)
class PartitionTransformation(Transformation):
    """How the records of its input travel to whatever comes next."""

    partitioning: Partitioning
    key: KeySelection | None = None
    partitioner: Callable[[Any, int], int] | None = None
    defined_at: str = ""


@dataclass(eq=False, slots=True)
class UnionTransformation(Transformation):
    """The records of all inputs."""


@dataclass(eq=False, slots=True)
class SideOutputTransformation(Transformation):
    """What its input operator gave to a tag."""

    tag: str = ""


@dataclass(slots=True)
class Program:
    """All operators that the user made, and the settings they were made under."""

    operators: list[OperatorTransformation] = field(default_factory=list[OperatorTransformation])
    count: int = 0

    def next_number(self) -> int:
        """Numbers rise with every transformation."""
        self.count += 1
        return self.count
