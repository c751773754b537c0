"""`WatermarkStrategy`: event times and watermarks of a stream, as a user writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar, cast, overload

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.expressions import ColumnKey, Expression
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.time.alignment import WatermarkAlignment
from millstream_dataflow.time.dropped import refuse_dropped
from millstream_dataflow.time.generators import (
    BoundedOutOfOrderness,
    NoWatermarks,
    WatermarkGenerator,
    non_negative,
)
from millstream_dataflow.time.ingestion import IngestionTime
from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.time.timestamps import AssignerFunction, TimestampAssigner, resolve_assigner

T = TypeVar("T")
AnyT = TypeVar("AnyT")

_SHORTEST_UPDATE: Final = 10  # ms: each source of a group sends a message to the JobManager so often


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
    method gives a new one, keeps what was set before, and is refused where nobody takes the new one (in PyFlink
    `with_timestamp_assigner` changes the strategy itself, and `with_idleness` gives one that has forgotten it).

    >>> strategy = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(hours=2))
    >>> strategy = strategy.with_timestamp_assigner(lambda flight: flight.departure)

    Without a timestamp assigner records keep the times that their source gave them; those that have none raise no
    watermark. A watermark follows each batch that raised it, and the clock every 200 ms
    (`pipeline.auto-watermark-interval`; Flink: the clock alone).
    """

    generator: Callable[[], WatermarkGenerator[T]]
    """Makes one generator per split, or per subtask behind a source."""
    timestamp_assigner: AssignerFunction[T] | None = None
    idle_timeout: int | None = None
    """Milliseconds without a record after which a split no longer holds back the watermark; None: it always does."""
    alignment: WatermarkAlignment | None = None
    """The group of sources that it keeps together with; None: it reads as fast as it can."""

    @classmethod
    def for_monotonous_timestamps(cls) -> "WatermarkStrategy[Any]":
        """For times that never fall within a split; a later record with a lower time is late."""
        return cls(_OutOfOrderness(0))

    @classmethod
    def for_bounded_out_of_orderness(cls, max_out_of_orderness: Span) -> "WatermarkStrategy[Any]":
        """For records that come at most that much (milliseconds where a bare int) behind the highest time before."""
        return cls(_OutOfOrderness(non_negative(max_out_of_orderness)))

    @classmethod
    def no_watermarks(cls) -> "WatermarkStrategy[Any]":
        """For programs in processing time: event time stands until a bounded input ends."""
        return cls(NoWatermarks)

    @classmethod
    def for_ingestion_time(cls) -> "WatermarkStrategy[Any]":
        """Give records the time at which they are read (Flink's ingestion time). No record is late, and no split is
        waited for, as watermarks follow the clock.

        After a restart records that are read again get the time of then, never one below what was given before: so what
        comes of their times may be another result than before. Where that matters, let who makes a record say when.
        """
        return cls(IngestionTime)

    @classmethod
    def for_generator(cls, factory: Callable[[], WatermarkGenerator[AnyT]]) -> "WatermarkStrategy[AnyT]":
        """Watermarks of a generator of your own; `factory` is called once per split: the class itself will do."""
        if isinstance(cast("object", factory), WatermarkGenerator) or not callable(factory):
            mend = "each split needs a generator of its own: give the class, or a function that makes one"
            raise TypeError(f"for_generator takes what makes a WatermarkGenerator, but got {factory!r}; {mend}")
        return cast("type[WatermarkStrategy[AnyT]]", cls)(factory)

    @overload
    def with_timestamp_assigner(self, timestamp_assigner: Expression) -> "WatermarkStrategy[Any]": ...
    @overload
    def with_timestamp_assigner(
        self, timestamp_assigner: TimestampAssigner[AnyT] | Callable[[AnyT, int], int] | Callable[[AnyT], int]
    ) -> "WatermarkStrategy[AnyT]": ...
    def with_timestamp_assigner(
        self,
        timestamp_assigner: TimestampAssigner[AnyT] | Callable[[AnyT, int], int] | Callable[[AnyT], int] | Expression,
    ) -> "WatermarkStrategy[Any]":
        """Event times from a TimestampAssigner, a function of (value, former time), one of the value alone, or an
        expression of whole milliseconds, such as `col("at").epoch_millis()`, for which columns stay columns.
        """
        if isinstance(timestamp_assigner, Expression):
            timestamp_assigner = ColumnKey(timestamp_assigner)
        resolve_assigner(timestamp_assigner)
        if self.generator is IngestionTime:
            mend = "leave the assigner out, or take for_monotonous_timestamps()"
            raise ValueError(f"in ingestion time the clock says when a record happened, not an assigner; {mend}")
        refuse_dropped("strategy", "with_timestamp_assigner")
        return replace(cast("WatermarkStrategy[AnyT]", self), timestamp_assigner=timestamp_assigner)

    def with_idleness(self, idle_timeout: Span) -> "WatermarkStrategy[T]":
        """Let a split that brings no record for so long not hold back the others (law 7.3). Must be above 0.

        The time in which nobody could take its records doesn't count: its outputs had no room, or it had to wait for
        slower sources (`with_watermark_alignment`).
        """
        milliseconds = to_milliseconds(idle_timeout)
        if milliseconds <= 0:
            raise ValueError(f"an idle timeout must be above 0, but got {milliseconds} ms")
        refuse_dropped("strategy", "with_idleness")
        return replace(self, idle_timeout=milliseconds)

    def with_watermark_alignment(
        self, watermark_group: str, max_allowed_watermark_drift: Span, update_interval: Span | None = None
    ) -> "WatermarkStrategy[T]":
        """Read no split further than so much event time beyond the lowest watermark of all sources that name the group.

        Every `update_interval` (1 s, at least 10 ms) each says where it is and is told how far it may read; so all
        advance by the drift per update at most, and a short drift makes the whole group slow. A split may be ahead by
        the drift and the batch with which it got there. Who is idle doesn't count, so give a source that may have
        nothing `with_idleness`. For splits that are read, so for the strategy of `from_source` alone.

        Different from Flink: nobody runs ahead before all of the group have a watermark; and without word of a leader
        for ten updates the limit rises with the clock, a second in a second, instead of standing.
        """
        if not isinstance(cast("object", watermark_group), str) or not watermark_group:
            raise TypeError(f"with_watermark_alignment takes the name of a group, but got {watermark_group!r}")
        drift = to_milliseconds(max_allowed_watermark_drift)
        if drift < 0:
            raise ValueError(f"the drift that is allowed must not be negative, but got {drift} ms")
        update = 1_000 if update_interval is None else to_milliseconds(update_interval)
        if update < _SHORTEST_UPDATE:
            raise ValueError(f"the update interval must be at least {_SHORTEST_UPDATE} ms, but got {update} ms")
        if self.generator is NoWatermarks:
            mend = "take a strategy that has, or leave the alignment out"
            raise ValueError(f"sources are aligned by their watermarks, and no_watermarks() has none; {mend}")
        refuse_dropped("strategy", "with_watermark_alignment")
        return replace(self, alignment=WatermarkAlignment(watermark_group, drift, update))

    def with_punctuated_watermarks(self) -> "WatermarkStrategy[T]":
        """Put a watermark directly behind each record that raised it, instead of behind each batch and every 200 ms.

        Which records are late then doesn't depend on how the input was cut into batches: with one split and source
        parallelism 1 every run agrees on them (law 7.2). It costs a batch per watermark, so most when times rise
        steadily. For the two built-in generators; one of your own returns its watermarks from `on_event`.
        """
        if not isinstance(self.generator, _OutOfOrderness):
            mend = "return the watermark from on_event of a generator of your own"
            raise TypeError(f"with_punctuated_watermarks is for monotonous and bounded out-of-order times; {mend}")
        refuse_dropped("strategy", "with_punctuated_watermarks")
        return replace(self, generator=replace(self.generator, punctuated=True))

    def create_watermark_generator(self) -> WatermarkGenerator[T]:
        """A fresh generator; TypeError when the user's factory makes something else."""
        generator = self.generator()
        if not isinstance(cast("object", generator), WatermarkGenerator):
            what = f"{short_repr(self.generator)} made {short_repr(generator)}"
            raise InvalidTypesError(f"a generator factory must make a WatermarkGenerator, but {what}")
        return generator

    def timestamp_column(self) -> ColumnKey | None:
        """What computes the times of columns, if the assigner is an expression."""
        return self.timestamp_assigner if isinstance(self.timestamp_assigner, ColumnKey) else None

    def create_timestamp_assigner(self) -> Callable[[T, int], int] | None:
        """The function of value and former time, for `assign_all`; None: records keep the times they have."""
        return None if self.timestamp_assigner is None else resolve_assigner(self.timestamp_assigner)
