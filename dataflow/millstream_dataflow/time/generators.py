"""Watermark generators: what follows from the times of the records seen so far (law 7).

A generator sees every record. It is either *periodic*, asked for its watermark behind each batch and every 200 ms by
`on_periodic_emit`; or *punctuated*, giving one behind the record that raised it by `on_event`; or both.

Records come in batches, and most generators need not look at each. So the runtime, which works a generator by its
`GeneratorDriver`, asks `on_batch` where the batch must be cut because a watermark stands there. A periodic generator of
ours takes the maximum of the times (10 ns a row in a list, 1 in an array) and cuts nowhere; a punctuated one finds its
cuts in one pass. A custom one has the loop over `on_event`: 0.3 us a record, and 1.5 where each has a watermark.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time.output import HeardOutput, WatermarkOutput
from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.time.timestamps import accepts, checked_time, signature_text

if TYPE_CHECKING:
    from millstream_dataflow.records.batches import Times

T = TypeVar("T")


class Cut(NamedTuple):
    """A watermark inside of a batch: it stands behind the first `records` of it."""

    records: int
    watermark: int


class WatermarkGenerator(ABC, Generic[T]):
    """Base of the user's own generators (Flink, "Writing WatermarkGenerators"); override what you need.

    There is one per split of a source, or one per subtask behind it. A watermark is emitted as in Flink, by
    `output.emit_watermark(time)`, or returned; who never needs the output may leave it out: `on_event(self, value,
    timestamp)`, `on_periodic(self)`. What is emitted never goes back: a watermark that is not above the last one is
    left out. The object itself is never stored. What survives a restart is its last watermark, below which it can't
    fall, and what `snapshot` returns (law 7.1).
    """

    reads_values: ClassVar[bool] = True
    """Whether `on_batch` looks at the values; if not, the runtime gives it none and needs no rows."""

    if TYPE_CHECKING:  # for a type checker it may be written with the output or without

        def on_event(self, *args: Any, **kwargs: Any) -> int | None:  # noqa: ANN401  # see above
            """`on_event(value, timestamp, output)`: see one record."""

    else:

        def on_event(self, value: T, timestamp: int, output: WatermarkOutput | None = None) -> int | None:
            """See one record. A watermark to emit directly behind it, in milliseconds, or None.

            What it says of idleness by the output counts from behind its batch.
            """
            return None

    def on_periodic_emit(self, output: WatermarkOutput) -> int | None:
        """The watermark to emit now, in milliseconds, or None. Called behind each batch, and every 200 ms
        (`pipeline.auto-watermark-interval`).
        """
        return self.on_periodic()

    def on_periodic(self) -> int | None:
        """As `on_periodic_emit`, for who needs no output."""
        return None

    def snapshot(self) -> Any:  # noqa: ANN401  # each generator has a state type of its own
        """What `restore` of a fresh generator needs to go on: a value that later records don't change, or None."""
        return None

    def restore(self, state: Any) -> None:  # noqa: ANN401  # as above
        """Go on from a snapshot; not called when there is none."""

    def on_batch(self, values: Sequence[T], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """See a batch; the punctuated watermarks in it, with `records` and `watermark` both strictly rising.

        Equals `on_event` of one record after the other. `values` is empty when `reads_values` is false.
        """
        return GeneratorDriver(self).each(values, timestamps)


class GeneratorDriver(Generic[T]):
    """Works one generator, in whichever form it was written, and keeps what it says by its output."""

    def __init__(self, generator: WatermarkGenerator[T]) -> None:
        """InvalidTypesError when a call of the generator takes something else than it would be given."""
        self.generator = generator
        self._heard = HeardOutput()
        self._by_batch = type(generator).on_batch is not WatermarkGenerator.on_batch
        self._event_hears = _hears(generator.on_event, 2, "value, timestamp")
        self._periodic_hears = _hears(generator.on_periodic_emit, 0, "")
        own = type(generator).on_periodic_emit is not WatermarkGenerator.on_periodic_emit
        self._periodic = "on_periodic_emit" if own else "on_periodic"

    @property
    def idle(self) -> bool:
        """Whether the generator has marked its split as idle."""
        return self._heard.idle

    def batch(self, values: Sequence[T], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """The punctuated watermarks of a batch."""
        return self.generator.on_batch(values, timestamps) if self._by_batch else self.each(values, timestamps)

    def each(self, values: Sequence[T], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """The same, by `on_event` of one record after the other."""
        cuts: list[Cut] = []
        heard, on_event = self._heard, self.generator.on_event
        heard.call = "on_event"
        more: tuple[WatermarkOutput, ...] = (heard,) if self._event_hears else ()
        highest = MIN_TIME
        for count, (value, timestamp) in enumerate(zip(values, timestamps, strict=True), start=1):
            returned = on_event(value, int(timestamp), *more)
            if returned is None and not heard.emitted:
                continue
            watermark = self._said(returned, "on_event", value)
            if watermark is not None and watermark > highest:
                highest = watermark
                cuts.append(Cut(count, watermark))
        return cuts

    def periodic(self) -> int | None:
        """The watermark by now, if the generator gives one."""
        call = self._heard.call = self._periodic
        if self._periodic_hears:
            return self._said(self.generator.on_periodic_emit(self._heard), call)
        return self._said(cast("Callable[[], int | None]", self.generator.on_periodic_emit)(), call)

    def _said(self, returned: int | None, call: str, *value: object) -> int | None:
        """The higher of what was returned and what was emitted; either marks the split as active."""
        emitted = self._heard.take()
        if returned is None:
            return emitted
        self._heard.mark_active()
        checked_time(returned, f"what {call} returns", *value)
        return returned if emitted is None else max(returned, emitted)


def _hears(call: Callable[..., Any], others: int, names: str) -> bool:
    """Whether a call of a generator takes the output behind its other arguments."""
    if accepts(call, others + 1):
        return True
    if accepts(call, others):
        return False
    takes = f"({', '.join(filter(None, (names, 'output')))}) or ({names})"
    raise InvalidTypesError(f"{call.__qualname__} of a WatermarkGenerator takes {takes}, but is {signature_text(call)}")


class NoWatermarks(WatermarkGenerator[Any]):
    """None but the one at the end of a bounded input: for programs in processing time."""

    reads_values = False

    def on_batch(self, values: Sequence[Any], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """Nothing."""
        return ()


class BoundedOutOfOrderness(WatermarkGenerator[Any]):
    """The highest time seen, less the delay and one millisecond, as Flink's `BoundedOutOfOrdernessWatermarks`.

    The one millisecond is there because a record with the highest time may still come again. With `punctuated` a
    watermark stands directly behind each record that raised it, otherwise behind batches (law 7.2).
    """

    reads_values = False

    def __init__(self, max_out_of_orderness: Span, *, punctuated: bool = False) -> None:
        """The delay must not be negative: ValueError."""
        self._lag = non_negative(max_out_of_orderness) + 1
        self._punctuated = punctuated
        self._highest = MIN_TIME + self._lag  # so that the watermark begins at MIN_TIME and can't fall below

    def on_event(self, value: Any, timestamp: int) -> int | None:  # noqa: ANN401  # any record
        """See one time."""
        if timestamp <= self._highest:
            return None
        self._highest = timestamp
        return timestamp - self._lag if self._punctuated else None

    def on_periodic(self) -> int | None:
        """The watermark, once there was a record."""
        watermark = self._highest - self._lag
        return None if watermark == MIN_TIME else watermark

    def snapshot(self) -> int:
        """The watermark, not the highest time: a program that comes back with another delay doesn't turn time back."""
        return self._highest - self._lag

    def restore(self, state: int) -> None:
        """Go on from the watermark."""
        self._highest = state + self._lag

    def on_batch(self, values: Sequence[Any], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """See a batch of times; `values` are not looked at."""
        if not len(timestamps):
            return ()
        highest = max(timestamps) if isinstance(timestamps, Sequence) else int(timestamps.max())
        if highest <= self._highest:
            return ()
        cuts = self._cuts(timestamps) if self._punctuated else ()
        self._highest = highest
        return cuts

    def _cuts(self, timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        if not isinstance(timestamps, Sequence):
            import numpy as np  # noqa: PLC0415  # whoever has an array has it

            running = np.maximum.accumulate(timestamps)
            before = np.concatenate((np.array([self._highest], np.int64), running[:-1]))
            rises = np.flatnonzero(running > np.maximum(before, self._highest))
            return [Cut(int(i) + 1, int(running[i]) - self._lag) for i in rises]
        cuts: list[Cut] = []
        highest = self._highest
        for count, timestamp in enumerate(timestamps, start=1):
            if timestamp > highest:
                highest = timestamp
                cuts.append(Cut(count, timestamp - self._lag))
        return cuts


class MonotonousTimestamps(BoundedOutOfOrderness):
    """For times that never fall within a split: out of order by nothing, as Flink's `AscendingTimestampsWatermarks`."""

    def __init__(self, *, punctuated: bool = False) -> None:
        """See BoundedOutOfOrderness."""
        super().__init__(0, punctuated=punctuated)


def non_negative(delay: Span) -> int:
    """The delay in milliseconds, at least 0."""
    milliseconds = to_milliseconds(delay)
    if milliseconds < 0:
        raise ValueError(f"records can't be out of order by a negative time: got {milliseconds} ms")
    return milliseconds
