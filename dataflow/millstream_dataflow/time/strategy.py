"""`WatermarkStrategy`: event times and watermarks of a stream, as a user writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.time.generators import (
    BoundedOutOfOrderness,
    NoWatermarks,
    WatermarkGenerator,
    non_negative,
)
from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.time.timestamps import AssignerFunction, TimestampAssigner, resolve_assigner

T = TypeVar("T")
AnyT = TypeVar("AnyT")


@dataclass(frozen=True, slots=True)
class _OutOfOrderness:
    """Makes a generator of ours."""

    delay: int
    punctuated: bool = False

    def __call__(self) -> WatermarkGenerator[Any]:
        return BoundedOutOfOrderness(self.delay, punctuated=self.punctuated)


@dataclass(frozen=True)
class WatermarkStrategy(Generic[T]):
    """Where event times come from and how watermarks follow them (Flink, "Generating Watermarks"). A value: each
    method gives a new one.

    >>> strategy = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(hours=2))
    >>> strategy = strategy.with_timestamp_assigner(lambda flight: flight.departure)

    Without a timestamp assigner records keep the times that their source gave them.
    """

    generator: Callable[[], WatermarkGenerator[T]]
    """Makes one generator per split, or per subtask behind a source."""
    timestamp_assigner: AssignerFunction[T] | None = None
    idle_timeout: int | None = None
    """Milliseconds without a record after which a split no longer holds back the watermark; None: it always does."""

    @staticmethod
    def for_monotonous_timestamps() -> "WatermarkStrategy[Any]":
        """For times that never fall within a split; a later record with a lower time is late."""
        return WatermarkStrategy(_OutOfOrderness(0))

    @staticmethod
    def for_bounded_out_of_orderness(max_out_of_orderness: Span) -> "WatermarkStrategy[Any]":
        """For records that come at most that much (milliseconds where a bare int) behind the highest time before."""
        return WatermarkStrategy(_OutOfOrderness(non_negative(max_out_of_orderness)))

    @staticmethod
    def no_watermarks() -> "WatermarkStrategy[Any]":
        """For programs in processing time: event time stands until a bounded input ends."""
        return WatermarkStrategy(NoWatermarks)

    @staticmethod
    def for_generator(factory: Callable[[], WatermarkGenerator[AnyT]]) -> "WatermarkStrategy[AnyT]":
        """Watermarks of a generator of your own; `factory` is called once per split: the class itself will do."""
        if isinstance(cast("object", factory), WatermarkGenerator) or not callable(factory):
            mend = "each split needs a generator of its own: give the class, or a function that makes one"
            raise TypeError(f"for_generator takes what makes a WatermarkGenerator, but got {factory!r}; {mend}")
        return WatermarkStrategy(factory)

    def with_timestamp_assigner(
        self, timestamp_assigner: TimestampAssigner[AnyT] | Callable[[AnyT, int], int] | Callable[[AnyT], int]
    ) -> "WatermarkStrategy[AnyT]":
        """Event times from a TimestampAssigner, a function of (value, former time), or one of the value alone."""
        resolve_assigner(timestamp_assigner)
        return replace(cast("WatermarkStrategy[AnyT]", self), timestamp_assigner=timestamp_assigner)

    def with_idleness(self, idle_timeout: Span) -> "WatermarkStrategy[T]":
        """Let a split that brings no record for so long not hold back the others (law 7.3). Must be above 0."""
        milliseconds = to_milliseconds(idle_timeout)
        if milliseconds <= 0:
            raise ValueError(f"an idle timeout must be above 0, but got {milliseconds} ms")
        return replace(self, idle_timeout=milliseconds)

    def with_punctuated_watermarks(self) -> "WatermarkStrategy[T]":
        """Put a watermark directly behind each record that raised it, instead of behind each batch and every 200 ms.

        Which records are late then doesn't depend on how the input was cut into batches: with one split and source
        parallelism 1 every run agrees on them (law 7.2). It costs a batch per watermark, so most when times rise
        steadily. For the two built-in generators; one of your own returns its watermarks from `on_event`.
        """
        if not isinstance(self.generator, _OutOfOrderness):
            mend = "return the watermark from on_event of a generator of your own"
            raise TypeError(f"with_punctuated_watermarks is for monotonous and bounded out-of-order times; {mend}")
        return replace(self, generator=replace(self.generator, punctuated=True))

    def create_watermark_generator(self) -> WatermarkGenerator[T]:
        """A fresh generator; TypeError when the user's factory makes something else."""
        generator = self.generator()
        if not isinstance(cast("object", generator), WatermarkGenerator):
            what = f"{short_repr(self.generator)} made {short_repr(generator)}"
            raise InvalidTypesError(f"a generator factory must make a WatermarkGenerator, but {what}")
        return generator

    def create_timestamp_assigner(self) -> Callable[[T, int], int] | None:
        """The function of value and former time, for `assign_all`; None: records keep the times they have."""
        return None if self.timestamp_assigner is None else resolve_assigner(self.timestamp_assigner)
