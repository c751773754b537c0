"""Laws 4 and 9: nobody waits long for a task that is slow, and no task is made slow by that."""

from collections.abc import Callable

import pytest

from millstream_taskmanager.task.turns import FIRST, TURN, Turns

MOST = 8_192
NOBODY = float("inf")


def run(turns: Turns, cost: Callable[[int], float], count: int, *, waiting: int = 1 << 40) -> list[tuple[int, float]]:
    """Records and milliseconds of so many turns, with so many records waiting at each."""
    past: list[tuple[int, float]] = []
    for _ in range(count):
        records = min(turns.records, waiting)
        time = cost(records)
        turns.took(records, time, NOBODY)
        past.append((records, time))
    return past


def throughput(past: list[tuple[int, float]]) -> float:
    return sum(records for records, _ in past) / sum(time for _, time in past)


def test_a_fast_task_takes_whole_batches_at_once() -> None:
    turns = Turns(MOST)
    past = run(turns, lambda records: records / 5_000, 12)
    assert past[0][0] == FIRST
    assert past[-1][0] == MOST
    assert turns.goal is None


@pytest.mark.parametrize("each", [0.05, 0.2, 1.0, 10.0, 30.0])
def test_a_slow_function_has_turns_of_about_50_ms(each: float) -> None:
    turns = Turns(MOST)
    past = run(turns, lambda records: records * each, 40)
    assert max(time for _, time in past[12:]) <= 2 * TURN
    assert sum(time for _, time in past[12:]) / 28 > TURN / 4


@pytest.mark.parametrize("fixed", [100.0, 1_000.0, 10_000.0])
def test_a_call_for_each_batch_that_takes_long_gets_whole_batches(fixed: float) -> None:
    turns = Turns(MOST)

    def cost(records: int) -> float:
        return fixed + records / 1_000

    run(turns, cost, 20)
    past = run(turns, cost, 32)
    assert throughput(past) > 0.7 * MOST / cost(MOST)


def test_fixed_and_proportional_costs_are_weighed() -> None:
    """No throughput worth speaking of is lost, and a turn isn't longer than that demands."""
    turns = Turns(MOST)

    def cost(records: int) -> float:
        return 200 + records * 1.0

    run(turns, cost, 30)
    past = run(turns, cost, 32)
    assert throughput(past) > 0.5
    assert max(time for _, time in past) < 1_000


def test_a_function_that_becomes_slow_is_found_out_by_one_turn() -> None:
    turns = Turns(MOST)
    run(turns, lambda records: records / 5_000, 20)
    past = run(turns, lambda records: records * 1.0, 20)
    assert [time > 2 * TURN for _, time in past] == [True] + [False] * 19


def test_a_function_that_becomes_fast_is_found_out() -> None:
    turns = Turns(MOST)
    run(turns, lambda records: records * 1.0, 40)
    run(turns, lambda records: records / 5_000, 20)
    assert turns.goal is None


def test_a_trickle_of_a_slow_function_lengthens_no_turn() -> None:
    turns = Turns(MOST)
    run(turns, lambda records: records * 1.0, 100, waiting=1)
    assert turns.records <= TURN


def test_short_frames_do_not_keep_a_fast_task_at_short_turns() -> None:
    """Who sends them may be paced by the very length that it is to prove, and measure its records otherwise."""
    turns = Turns(MOST)
    for _ in range(40):
        records = max(1, turns.records // 100)
        turns.took(records, 0.01 + records / 5_000, NOBODY)
        if turns.goal is None:
            break
    assert turns.goal is None


def test_who_is_fast_goes_by_the_pace_of_those_behind() -> None:
    turns = Turns(MOST)
    for _ in range(20):
        turns.took(turns.records, 1, 100.0)
    assert turns.records == 100
    for _ in range(3):
        turns.took(turns.records, 1, NOBODY)
    assert turns.goal is None
