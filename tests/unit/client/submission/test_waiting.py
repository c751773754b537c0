"""Who carries out what a job gives to do."""

import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial

import pytest

from millstream.errors import JobFailedError
from millstream.submission.brief import OutputClosedError, OutputLostError, brief_ends
from millstream.submission.waiting import AwaitedFuture, WaitingRoom, in_thread
from tests.support.clusters import until


def in_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def say_from_thread(room: WaitingRoom, done: list[tuple[int, bool]], count: int) -> threading.Thread:
    def act(number: int) -> None:
        done.append((number, in_main()))

    def run() -> None:
        for number in range(count):
            room.say(partial(act, number))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_whoever_waits_does_it_in_order_and_all_of_it() -> None:
    room, done = WaitingRoom(), list[tuple[int, bool]]()
    thread = threading.Thread(target=lambda: serve_once(room, lambda: say_from_thread(room, done, 5000)))
    thread.start()
    room.serve(lambda: len(done) >= 5000, 20)
    thread.join()
    assert done == [(number, True) for number in range(5000)]


def test_nobody_waits_so_it_is_done_at_once() -> None:
    room, done = WaitingRoom(), list[tuple[int, bool]]()
    say_from_thread(room, done, 3).join()
    assert done == [(0, False), (1, False), (2, False)]


def test_an_error_of_an_action_reaches_the_one_who_waits_and_the_rest_is_done_by_the_next() -> None:
    room, done = WaitingRoom(), list[int]()

    def fail() -> None:
        room.say(lambda: done.append(1))
        raise BrokenPipeError

    future = AwaitedFuture[None](room, lambda _: None)
    thread = threading.Thread(target=lambda: serve_once(room, fail))
    thread.start()
    with pytest.raises(BrokenPipeError):
        future.result(20)
    thread.join()
    assert done == []
    room.say(lambda: done.append(2))
    assert done == [1, 2]


def serve_once(room: WaitingRoom, action: Callable[[], object]) -> None:
    """Say it when somebody waits."""
    until(lambda: room._waiting > 0, 20, "somebody waits")
    room.say(action)


@pytest.mark.parametrize("error", [ValueError("I/O operation on closed file"), OutputLostError("full")])
def test_a_closed_or_full_stdout_does_not_end_the_thread_that_listens(error: Exception) -> None:
    room = WaitingRoom()

    def fail() -> None:
        raise error

    room.say(fail)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (KeyboardInterrupt(), "KeyboardInterrupt\n"),
        (OutputLostError("no space left"), "no space left\n"),
        (OutputClosedError(), ""),
    ],
)
def test_an_end_that_nobody_catches_is_told_without_our_frames(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: BaseException, told: str
) -> None:
    others: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: others.append(error))
    with pytest.raises(type(end)) as raised, brief_ends():
        raise end
    other = ValueError()
    for error in (raised.value, other):
        sys.excepthook(type(error), error, error.__traceback__)
    assert capsys.readouterr().err == told
    assert others == [other]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OutputLostError, OutputClosedError])
def test_a_future_carries_out_while_it_waits_and_tells_of_what_ends_it(kind: type[BaseException]) -> None:
    room, ends = WaitingRoom(), list[BaseException]()
    future = AwaitedFuture[int](room, ends.append)

    def interrupt() -> None:
        raise kind("no more")

    thread = threading.Thread(target=lambda: serve_once(room, interrupt))
    thread.start()
    with pytest.raises(kind) as raised:
        future.result(20)
    thread.join()
    assert ends == [raised.value]
    in_thread(lambda: 5, "five", future)
    assert future.result(20) == 5
    assert future.exception(20) is None


def test_an_error_of_some_work_is_its_future_s() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        in_thread(fail, "fail").result(20)


def test_of_an_error_of_ours_python_shows_the_line_that_waits_alone() -> None:
    def fail() -> None:
        raise JobFailedError("division by zero")

    future = in_thread(fail, "fail", AwaitedFuture[None](WaitingRoom(), lambda _: None))
    with pytest.raises(JobFailedError) as caught:
        future.result(20)
    lines = traceback.extract_tb(caught.value.__traceback__)
    assert [line.line for line in lines] == ["future.result(20)", 'raise JobFailedError("division by zero")']


def test_who_asks_a_second_time_sees_no_line_of_the_first() -> None:
    def fail() -> None:
        raise LookupError("a mistake of ours")

    future = in_thread(fail, "fail", AwaitedFuture[None](WaitingRoom(), lambda _: None))
    shown = list[str]()
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            future.result(20)
        shown.append("".join(traceback.format_exception(caught.value)))
    assert shown[0] == shown[1]
    assert "raise LookupError" in shown[0]


def test_waiting_ends_with_its_time() -> None:
    future = AwaitedFuture[int](WaitingRoom(), lambda _: None)
    with pytest.raises(TimeoutError):
        future.result(0.01)
    with pytest.raises(TimeoutError):
        future.exception(0.01)
