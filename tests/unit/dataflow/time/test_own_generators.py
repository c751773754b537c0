"""A user's generators, in the forms in which they may be written: with an output as in Flink, or without."""

from typing import Any

import numpy as np
import pytest

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time import (
    BoundedOutOfOrderness,
    Cut,
    GeneratorDriver,
    NoWatermarks,
    WatermarkGenerator,
    WatermarkOutput,
)


class Periodic(WatermarkGenerator[str]):
    """As Flink's documentation has it: out of order by 10, emitted by the clock."""

    def __init__(self) -> None:
        self.highest = MIN_TIME + 11

    def on_event(self, value: str, timestamp: int, output: WatermarkOutput) -> None:
        self.highest = max(self.highest, timestamp)

    def on_periodic_emit(self, output: WatermarkOutput) -> None:
        output.emit_watermark(self.highest - 11)


class Punctuated(WatermarkGenerator[str]):
    """As Flink's documentation has it: an event says so."""

    def on_event(self, value: str, timestamp: int, output: WatermarkOutput) -> None:
        if value == "mark":
            output.emit_watermark(timestamp)

    def on_periodic_emit(self, output: WatermarkOutput) -> None:
        pass


class Returning(WatermarkGenerator[str]):
    """In Python's manner."""

    def on_event(self, value: str, timestamp: int) -> int | None:
        return timestamp if value == "mark" else None

    def on_periodic(self) -> int:
        return 7


class ReturningBeside(WatermarkGenerator[str]):
    """It has an output, and returns all the same."""

    def on_event(self, value: str, timestamp: int, output: WatermarkOutput) -> int:
        output.emit_watermark(timestamp + 1 if value == "mark" else timestamp - 1)
        return timestamp

    def on_periodic_emit(self) -> int:  # type: ignore[override]  # accepted all the same
        return 7


VALUES = ["a", "mark", "mark", "mark", "b"]
TIMES = [1, 5, 3, 7, 9]


def test_a_periodic_one_with_an_output() -> None:
    driver = GeneratorDriver(Periodic())
    assert driver.periodic() == MIN_TIME
    assert list(driver.batch(VALUES, np.array(TIMES))) == []
    assert driver.periodic() == -2


@pytest.mark.parametrize("generator", [Punctuated(), Returning()], ids=["emits", "returns"])
def test_a_punctuated_one_cuts_behind_each_record_that_raised_it(generator: WatermarkGenerator[str]) -> None:
    assert list(GeneratorDriver(generator).batch(VALUES, TIMES)) == [Cut(2, 5), Cut(4, 7)]


def test_what_is_emitted_and_what_is_returned_count_both() -> None:
    driver = GeneratorDriver(ReturningBeside())
    assert list(driver.batch(["a", "mark", "b"], [1, 5, 6])) == [Cut(1, 1), Cut(2, 6)]
    assert driver.periodic() == 7


def test_the_highest_of_several_stands_behind_a_record() -> None:
    class Eager(WatermarkGenerator[int]):
        def on_event(self, value: int, timestamp: int, output: WatermarkOutput) -> None:
            for time in (timestamp - 2, timestamp, timestamp - 1):
                output.emit_watermark(time)

    assert list(GeneratorDriver(Eager()).batch([0], [5])) == [Cut(1, 5)]


class Idling(WatermarkGenerator[str]):
    """Says of itself what its records tell it."""

    def on_event(self, value: str, timestamp: int, output: WatermarkOutput) -> None:
        if value == "idle":
            output.mark_idle()
        elif value == "active":
            output.mark_active()
        else:
            output.emit_watermark(timestamp)


def test_a_generator_marks_itself_idle_and_active() -> None:
    driver = GeneratorDriver(Idling())
    for value, idle in (("idle", True), ("idle", True), ("active", False), ("idle", True), ("mark", False)):
        driver.batch([value], [1])
        assert driver.idle is idle, value


class Forgetful(WatermarkGenerator[str]):
    def on_event(self, value: str) -> None:
        pass


class Wrong(WatermarkGenerator[str]):
    def on_periodic_emit(self, output: WatermarkOutput, more: int) -> None:  # type: ignore[override]  # what is tested
        pass


def test_a_call_that_takes_something_else_is_refused_before_the_first_record() -> None:
    words = (
        r"Forgetful.on_event of a WatermarkGenerator takes \(value, timestamp, output\) or \(value, timestamp\), but is"
    )
    with pytest.raises(InvalidTypesError, match=words):
        GeneratorDriver(Forgetful())
    with pytest.raises(InvalidTypesError, match=r"takes \(output\) or \(\), but is \(output: .*, more: int\)"):
        GeneratorDriver(Wrong())


@pytest.mark.parametrize(
    ("emitted", "error", "words"),
    [
        (1.5, InvalidTypesError, "what on_event emits must be an int of milliseconds, but is float 1.5"),
        (None, InvalidTypesError, "what on_event emits must be an int of milliseconds, but is NoneType None"),
        (2**63, InvalidProgramError, "what on_event emits must not be beyond 64 bits"),
    ],
)
def test_what_is_emitted_is_checked(emitted: Any, error: type[Exception], words: str) -> None:  # noqa: ANN401  # that is the point
    class Emitting(WatermarkGenerator[int]):
        def on_event(self, value: int, timestamp: int, output: WatermarkOutput) -> None:
            output.emit_watermark(emitted)

    with pytest.raises(error, match=words):
        GeneratorDriver(Emitting()).batch([1], [1])


@pytest.mark.parametrize("generator", [BoundedOutOfOrderness(10), NoWatermarks()])
def test_ours_are_never_idle_by_their_own_word(generator: WatermarkGenerator[Any]) -> None:
    driver = GeneratorDriver(generator)
    driver.batch([1], [1])
    driver.periodic()
    assert not driver.idle
