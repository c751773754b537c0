"""In which order answered records leave: records are numbers, answered as `done` says; watermarks are `W(time)`."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records import StreamStatus, Watermark
from millstream_taskmanager.operators.async_queue import AnswerQueue, Element

IDLE = StreamStatus(idle=True)


def filled(items: Iterable[int | Watermark | StreamStatus], *, ordered: bool) -> tuple[AnswerQueue, dict[int, Element]]:
    queue = AnswerQueue.make(ordered=ordered)
    elements: dict[int, Element] = {}
    for item in items:
        if isinstance(item, int):
            queue.add([item], [None])
            elements[item] = queue.next_waiting()
        else:
            queue.add_event(item)
    return queue, elements


def leaving(queue: AnswerQueue) -> list[object]:
    left: list[object] = []
    while (item := queue.pop()) is not None:
        left.append(item.value if isinstance(item, Element) else item)
    return left


def test_in_order_each_waits_for_those_before_it() -> None:
    queue, elements = filled([1, 2, Watermark(5), 3], ordered=True)
    queue.answer(elements[2], [])
    queue.answer(elements[3], [])
    assert leaving(queue) == []
    assert queue.held == 3
    queue.answer(elements[1], [])
    assert leaving(queue) == [1, 2, Watermark(5), 3]
    assert (queue.held, queue.empty) == (0, True)


def test_as_they_come_but_never_across_a_watermark() -> None:
    queue, elements = filled([1, 2, Watermark(5), 3, 4], ordered=False)
    queue.answer(elements[4], [])
    queue.answer(elements[2], [])
    assert leaving(queue) == [2]
    queue.answer(elements[1], [])
    assert leaving(queue) == [1, Watermark(5), 4]
    queue.answer(elements[3], [])
    assert leaving(queue) == [3]
    assert queue.empty


@pytest.mark.parametrize("ordered", [True, False])
def test_watermarks_with_nothing_between_them_are_one(ordered: bool) -> None:
    queue, elements = filled([1, Watermark(5), Watermark(6), IDLE, Watermark(7), 2], ordered=ordered)
    queue.answer(elements[1], [])
    assert leaving(queue) == [1, Watermark(6), IDLE, Watermark(7)]


@pytest.mark.parametrize("ordered", [True, False])
def test_without_records_events_pass_at_once(ordered: bool) -> None:
    queue, _ = filled([Watermark(5)], ordered=ordered)
    assert leaving(queue) == [Watermark(5)]
    queue.add_event(IDLE)
    assert leaving(queue) == [IDLE]
    assert queue.empty


@pytest.mark.parametrize("ordered", [True, False])
def test_records_are_told_in_the_order_in_which_they_came_answered_or_not(ordered: bool) -> None:
    queue, elements = filled([1, 2, 3, Watermark(5), 4], ordered=ordered)
    queue.answer(elements[3], [])
    queue.answer(elements[4], [])
    assert [element.value for element in queue.elements()] == [1, 2, 3, 4]


def test_who_was_asked_for_and_who_waits() -> None:
    queue = AnswerQueue.make(ordered=True)
    queue.add("abc", [1, 2, 3])
    first = queue.next_waiting()
    assert (first.value, first.time, queue.waiting, queue.under_way, queue.held) == ("a", 1, 2, 1, 3)
    queue.answer(first, [])
    assert leaving(queue) == ["a"]
    assert (queue.waiting, queue.under_way, queue.held) == (2, 0, 2)


STORIES = st.lists(st.one_of(st.just("record"), st.just("watermark"), st.integers(0, 30)), max_size=40)
"""Records and watermarks that come, and numbers of records that are answered."""


@given(STORIES, st.booleans())
def test_whatever_happens_nothing_overtakes_a_watermark_and_nothing_is_lost(
    story: list[str | int], ordered: bool
) -> None:
    queue = AnswerQueue.make(ordered=ordered)
    elements: list[Element] = []
    came: list[object] = []
    left: list[object] = []
    for step in story:
        if step == "record":
            queue.add([len(elements)], [None])
            came.append(len(elements))
            elements.append(queue.next_waiting())
        elif step == "watermark":
            came.append(Watermark(len(came)))
            queue.add_event(Watermark(len(came) - 1))
        elif int(step) < len(elements) and elements[int(step)].results is None:
            queue.answer(elements[int(step)], [])
        left += leaving(queue)
        check(came, left, ordered=ordered)
        assert queue.held == sum(isinstance(item, int) for item in came) - sum(isinstance(item, int) for item in left)
    for element in elements:
        if element.results is None:
            queue.answer(element, [])
    left += leaving(queue)
    check(came, left, ordered=ordered)
    assert sorted(item for item in left if isinstance(item, int)) == list(range(len(elements)))
    assert queue.empty


def check(came: list[object], left: list[object], *, ordered: bool) -> None:
    """Before each watermark that has left, exactly the records that came before it; in their order, if so."""
    for place, item in enumerate(left):
        if isinstance(item, Watermark):
            before = [one for one in came[: came.index(item)] if isinstance(one, int)]
            assert sorted(one for one in left[:place] if isinstance(one, int)) == before
    records = [item for item in left if isinstance(item, int)]
    if ordered:
        assert records == sorted(records)
