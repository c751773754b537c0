"""What can be said about an operator after the call that made it."""

from collections.abc import Callable
from typing import Any

import pytest

from millstream.errors import NotAnOperatorError, ParallelismError, ProgramError
from millstream_dataflow.tags import OutputTag
from tests.unit.client.programs import environment, numbers
from tests.unit.client.written import Plain, operator


def test_all_of_them() -> None:
    stream = numbers(environment()).map(abs)
    same = stream.name("n").uid("u").set_parallelism(2).set_max_parallelism(9).set_description("d")
    assert same.slot_sharing_group("g").start_new_chain() is stream
    made = operator(stream)
    assert (made.name, made.uid, made.parallelism, made.max_parallelism) == ("n", "u", 2, 9)
    assert (made.description, made.slot_sharing_group) == ("d", "g")
    assert (made.chain_with_input, made.chain_with_outputs) == (False, True)
    stream.disable_chaining()
    assert not made.chain_with_outputs


def test_sinks_have_them_too() -> None:
    sink = numbers(environment()).print().name("out").uid("u").set_parallelism(3)
    assert (operator(sink).name, operator(sink).uid, operator(sink).parallelism) == ("out", "u", 3)


def test_non_parallel() -> None:
    stream = numbers(environment()).map(abs).force_non_parallel()
    with pytest.raises(ParallelismError, match=r'Map "abs" .*: it runs with parallelism 1 alone, not with 2; leave'):
        stream.set_parallelism(2)
    stream.set_parallelism(1)


@pytest.mark.parametrize("number", [0, -1, 32_769, "2", True])
def test_impossible_numbers(number: Any) -> None:  # noqa: ANN401  # that is the point
    stream = numbers(environment()).map(abs)
    for call, what in ((stream.set_parallelism, "parallelism"), (stream.set_max_parallelism, "max parallelism")):
        with pytest.raises(ParallelismError, match=f"{what} {number!r} is not a number from 1 to 32768; choose"):
            call(number)


@pytest.mark.parametrize("text", ["", " ", None, 3, "\ud800"])
def test_texts_that_are_none(text: Any) -> None:  # noqa: ANN401  # that is the point
    stream = numbers(environment()).map(abs)
    for call in (stream.name, stream.uid, stream.slot_sharing_group):
        with pytest.raises(ProgramError, match="takes a name, but"):
            call(text)
    with pytest.raises(ProgramError, match="set_description takes a text, but"):
        stream.set_description(text)
    assert operator(stream).description == ""


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda s: s.rebalance(), "a partitioned stream"),
        (lambda s: s.union(s), "a union of streams"),
        (lambda s: s.process(Plain()).get_side_output(OutputTag("late")), "a side output"),
    ],
)
def test_a_stream_that_is_no_operator_has_none(make: Callable[[Any], Any], kind: str) -> None:
    with pytest.raises(NotAnOperatorError, match=rf"uid was called on {kind}, which is no operator; call it on"):
        make(numbers(environment())).uid("u")
