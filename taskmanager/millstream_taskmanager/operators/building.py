"""From a vertex's specification to the chain of one of its tasks: operators made, stateless runs fused, edges tied."""

from collections.abc import Sequence
from typing import Any

from millstream_dataflow.operators.chain import HEAD, ChainNode, ChainSpecification
from millstream_dataflow.types import TypeInformation
from millstream_taskmanager.operators.base import label
from millstream_taskmanager.operators.chain import Chain, Link, Member, Outlet
from millstream_taskmanager.operators.declared import Declared, declared, declared_output
from millstream_taskmanager.operators.functions import keeps_state
from millstream_taskmanager.operators.fusion import FusedOperator
from millstream_taskmanager.operators.registry import STAGES, OperatorSettings, make_operator


def build_chain(specification: ChainSpecification, rows_only: Sequence[bool], settings: OperatorSettings) -> Chain:
    """The chain. `rows_only` says for each output of the vertex whether it takes rows only."""
    runs = _runs(specification)
    links = {run[0]: _link(specification, run, settings) for run in runs}
    link_of = {node: links[run[0]] for run in runs for node in run}
    for first, link in links.items():
        node = specification.nodes[first]
        if node.parent != HEAD:
            link_of[node.parent].feed(link, node.tag)
    for index, output in enumerate(specification.outputs):
        link_of[output.node].feed(Outlet(index, rows_only=rows_only[index]), output.tag)
    members = [
        Member(specification.nodes[run[0]].id, label(specification.nodes[run[0]]), links[run[0]]) for run in runs
    ]
    return Chain(members)


def _runs(specification: ChainSpecification) -> list[list[int]]:
    """Nodes that share an operator, in the order of their first ones. Most stand alone."""
    runs: list[list[int]] = []
    run_of: dict[int, list[int]] = {}
    for number, node in enumerate(specification.nodes):
        parent = run_of.get(node.parent)
        if parent is not None and _joins(specification, number):
            parent.append(number)
            run_of[number] = parent
        else:
            runs.append([number])
            run_of[number] = runs[-1]
    return runs


def _joins(specification: ChainSpecification, number: int) -> bool:
    """Whether a node runs in its parent's loop: both can, and nobody else takes what the parent gives, nor is it
    checked for a declared type, which happens between loops and a batch at a time.
    """
    node = specification.nodes[number]
    siblings = [other for other in specification.nodes if other.parent == node.parent]
    outputs = [output for output in specification.outputs if output.node == node.parent]
    alone = len(siblings) == 1 and not outputs and not node.tag
    if not alone or not _fusible(node):
        return False
    parent = specification.nodes[node.parent]
    return _fusible(parent) and declared_output(parent, "") is None


def _fusible(node: ChainNode) -> bool:
    function: object = getattr(node.specification, "function", None)
    return type(node.specification) in STAGES and not keeps_state(function)


def _link(specification: ChainSpecification, run: Sequence[int], settings: OperatorSettings) -> Link:
    nodes = [specification.nodes[number] for number in run]
    first = nodes[0]
    if type(first.specification) not in STAGES:
        operator = make_operator(first, settings)
    else:
        stages = [STAGES[type(node.specification)](node, node.specification) for node in nodes]
        operator = FusedOperator(stages, reuse=settings.object_reuse)
    gives = _gives(specification, run[-1])
    return Link(operator, label(first), _type_of_input(specification, first), gives, reuse=settings.object_reuse)


def _gives(specification: ChainSpecification, number: int) -> dict[str, list[Declared]]:
    """What is declared of a node's outputs, by tag. Consumers of a side output may declare it each in their own way."""
    name = label(specification.nodes[number])
    types = [(node.tag, node.tag_type) for node in specification.nodes if node.parent == number and node.tag]
    types += [(output.tag, output.type) for output in specification.outputs if output.node == number and output.tag]
    gives: dict[str, list[Declared]] = {}
    if (main := declared_output(specification.nodes[number], name)) is not None:
        gives[""] = [main]
    for tag, type_ in dict.fromkeys(types):
        if (side := declared(type_, name)) is not None:
            gives.setdefault(tag, []).append(side)
    return gives


def _type_of_input(specification: ChainSpecification, node: ChainNode) -> TypeInformation[Any] | None:
    """The declared type of what comes to an operator."""
    if node.parent != HEAD:
        return node.tag_type if node.tag else specification.nodes[node.parent].type
    types = [edge.type for edge in specification.inputs]
    return types[0] if types and all(type_ == types[0] for type_ in types) else None
