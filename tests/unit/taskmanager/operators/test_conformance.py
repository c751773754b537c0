"""Every operator gives the same for rows and for columns: in the form that it takes, and in the other, which the chain
converts. A specification without a case of its own fails here.
"""

from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any

import pytest

from millstream_dataflow.identity import EdgeId, OperatorId
from millstream_dataflow.operators.chain import ChainInput, ChainNode, ChainOutput, ChainSpecification
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch, Watermark
from millstream_taskmanager.operators.base import Operator
from millstream_taskmanager.operators.building import build_chain
from millstream_taskmanager.operators.chain import Chain, Emission
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.conversion import ToColumns, to_rows
from millstream_taskmanager.operators.registry import OPERATORS, STAGES, OperatorSettings
from tests.support.conformance import CASES, RECORD, WITHOUT_INPUT, Came, Case, Result, judge
from tests.support.tasks import OperatorBench

FORMS = ("rows", "columns", "both in turn")


def test_every_operator_has_a_case() -> None:
    missing = {*STAGES, *OPERATORS} - set(CASES) - WITHOUT_INPUT
    assert not missing, "an operator without a case; mend: add one to CASES of tests/support/conformance.py"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "case", [case for cases in CASES.values() for case in cases], ids=lambda case: type(case.specification).__name__
)
def test_each_form_gives_what_the_judge_says(case: Case, form: str) -> None:
    found, expected = list(results(case, form)), judge(case)
    if not case.ordered:
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    assert found == expected
    assert list(map(repr, found)) == list(map(repr, expected))  # 1 is no True, and no 1.0


def results(case: Case, form: str) -> Iterable[Result]:
    """What leaves the operator for the case's steps."""
    bench = OperatorBench()
    chain, tags = made(case, bench), ["", *case.tags]
    shape = shapes(form)
    for step in case.steps:
        if isinstance(step, Came):
            emissions = chain.process(step.number, shape(step))
        else:
            emissions = iter(chain.event(Watermark(step.time)))
        for output, element in [*emissions, *answered(chain, bench)]:
            if isinstance(element, RowBatch | ColumnBatch):
                yield from shown(tags[output], element)
    [operator] = chain.operators
    yield from kept_by(operator)
    bench.all_coroutines.close()
    if case.written is not None:
        yield from case.written()


def answered(chain: Chain, bench: OperatorBench) -> Iterable[Emission]:
    """What comes of coroutines that the step has begun."""
    bench.all_coroutines.turn(0)
    if bench.resumed:
        bench.resumed = 0
        yield from chain.on_time(OperatorId("op"), 0)


def made(case: Case, bench: OperatorBench) -> Chain:
    node = ChainNode(OperatorId("op"), "Operator", case.specification)
    outputs = [ChainOutput(EdgeId(number), 0, tag) for number, tag in enumerate(["", *case.tags])]
    specification = ChainSpecification(
        [node], [ChainInput(EdgeId(8 + number), RECORD, number) for number in (0, 1)], outputs
    )
    chain = build_chain(specification, [False] * len(outputs), OperatorSettings())
    chain.open(lambda _id, _name: bench.context())
    return chain


def shapes(form: str) -> Callable[[Came], Batch]:
    """Gives each batch its form."""
    to_columns = ToColumns(RECORD, "the suite")
    ways: dict[str, Callable[[Came], Batch]] = {
        "rows": Came.rows,
        "columns": lambda came: to_columns(came.rows()),
    }
    turns = cycle(["rows", "columns"] if form == "both in turn" else [form])

    def shape(came: Came) -> Batch:
        return ways[next(turns)](came)

    return shape


def shown(tag: str, batch: Batch) -> list[Result]:
    rows = batch if isinstance(batch, RowBatch) else to_rows(batch)
    times: list[Any] = [None] * len(rows) if rows.timestamps is None else list(rows.timestamps)
    return [(tag, value, time) for value, time in zip(rows.values, times, strict=True)]


def kept_by(operator: Operator) -> list[Result]:
    return [("", value, None) for value in operator.fetch()] if isinstance(operator, CollectOperator) else []
