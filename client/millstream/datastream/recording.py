"""How a call becomes a transformation: numbered, named, and marked with the place of the call."""

from collections.abc import Callable
from typing import Any

from millstream.compiler.naming import default_name
from millstream.datastream.arguments import accepted_type
from millstream.datastream.call_site import call_site
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification
from millstream_dataflow.transformations import (
    OperatorTransformation,
    PartitionTransformation,
    Program,
    SideOutputTransformation,
    Transformation,
    UnionTransformation,
)
from millstream_dataflow.types import TypeInformation

AnyType = TypeInformation[Any] | None


def add_operator(
    program: Program,
    origin: Transformation | None,
    specification: OperatorSpecification,
    type_: AnyType,
    name: str = "",
) -> OperatorTransformation:
    """An operator on one stream, or a source on none."""
    accepted_type("output_type" if origin is not None else "type_info", type_)
    operator = OperatorTransformation(
        program.next_number(),
        () if origin is None else (origin,),
        type_,
        specification,
        name or default_name(specification),
        defined_at=call_site(),
    )
    program.operators.append(operator)
    return operator


def add_operator_of_two(
    program: Program,
    inputs: tuple[Transformation, Transformation],
    specification: OperatorSpecification,
    type_: AnyType,
) -> OperatorTransformation:
    """An operator on two streams: which is its input 0 and which input 1 is for the order to say."""
    operator = add_operator(program, inputs[0], specification, type_)
    operator.inputs = inputs
    return operator


def add_partition(
    program: Program,
    origin: Transformation,
    partitioning: Partitioning,
    key: KeySelection | None = None,
    partitioner: Callable[[Any, int], int] | None = None,
) -> PartitionTransformation:
    """Another way for the records of a stream to travel."""
    place = call_site()
    return PartitionTransformation(
        program.next_number(), (origin,), origin.type, partitioning, key, partitioner, defined_at=place
    )


def add_union(program: Program, *origins: Transformation) -> UnionTransformation:
    """Several streams as one. Unions of unions are flattened, so that a loop of unions doesn't nest."""
    flat: list[Transformation] = []
    for origin in origins:
        flat += origin.inputs if isinstance(origin, UnionTransformation) else (origin,)
    types = {origin.type for origin in flat}
    return UnionTransformation(program.next_number(), tuple(flat), types.pop() if len(types) == 1 else None)


def add_side_output(program: Program, origin: Transformation, tag: str, type_: AnyType) -> SideOutputTransformation:
    """What an operator gives beside its main output."""
    return SideOutputTransformation(program.next_number(), (origin,), type_, tag)
