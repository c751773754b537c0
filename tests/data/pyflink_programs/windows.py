from typing import Collection, Iterable, Tuple

from pyflink.common import Time, Types, WatermarkStrategy
from pyflink.common.serializer import TypeSerializer
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import ProcessWindowFunction, StreamExecutionEnvironment, WindowFunction
from pyflink.datastream.functions import AggregateFunction, AllWindowFunction, ProcessAllWindowFunction
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.datastream.window import (
    ContinuousEventTimeTrigger,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    CountWindow,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    ProcessingTimeSessionWindows,
    PurgingTrigger,
    SessionWindowTimeGapExtractor,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeWindow,
    TimeWindowSerializer,
    Trigger,
    TriggerResult,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)


class SecondColumn(TimestampAssigner):
    def extract_timestamp(self, value, record_timestamp) -> int:
        return int(value[1])


class Span(ProcessWindowFunction[tuple, tuple, str, TimeWindow]):
    def process(self, key: str, context: "ProcessWindowFunction.Context", elements: Iterable[tuple]) -> Iterable[tuple]:
        window = context.window()
        return [(key, window.start, window.end, sum(element[2] for element in elements))]

    def clear(self, context: "ProcessWindowFunction.Context") -> None:
        pass


class Sum(WindowFunction[tuple, tuple, str, CountWindow]):
    def apply(self, key: str, window: CountWindow, inputs: Iterable[tuple]):
        return [(key, sum(i[2] for i in inputs))]


class Average(AggregateFunction):
    def create_accumulator(self) -> Tuple[int, int]:
        return 0, 0

    def add(self, value, accumulator):
        return accumulator[0] + value[2], accumulator[1] + 1

    def get_result(self, accumulator) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return a[0] + b[0], a[1] + b[1]


class Named(ProcessWindowFunction):
    def process(self, key, context, elements):
        total = context.global_state().get_state(ValueStateDescriptor("total", Types.DOUBLE()))
        total.update((total.value() or 0.0) + next(iter(elements)))
        yield key, context.window().max_timestamp(), total.value()


class Gap(SessionWindowTimeGapExtractor):
    def extract(self, element: tuple) -> int:
        return 1000 * element[2]


class AllSum(AllWindowFunction):
    def apply(self, window, inputs):
        yield window.start, sum(i[2] for i in inputs)


class AllCount(ProcessAllWindowFunction):
    def process(self, context, elements):
        yield context.window().end, len(list(elements))


class TenSeconds(WindowAssigner[tuple, TimeWindow]):
    """An assigner of one's own."""

    def assign_windows(self, element, timestamp: int, context) -> Collection[TimeWindow]:
        start = timestamp - timestamp % 10000
        return [TimeWindow(start, start + 10000)]

    def get_default_trigger(self, env) -> Trigger[tuple, TimeWindow]:
        return AtFive()

    def get_window_serializer(self) -> TypeSerializer[TimeWindow]:
        return TimeWindowSerializer()

    def is_event_time(self) -> bool:
        return True


class AtFive(Trigger[tuple, TimeWindow]):
    """Fires when a five comes, and at the end."""

    def on_element(self, element, timestamp: int, window: TimeWindow, ctx: "Trigger.TriggerContext") -> TriggerResult:
        ctx.register_event_time_timer(window.max_timestamp())
        return TriggerResult.FIRE if element[2] == 5 else TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: TimeWindow, ctx) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: TimeWindow, ctx) -> TriggerResult:
        return TriggerResult.FIRE_AND_PURGE if time == window.max_timestamp() else TriggerResult.CONTINUE

    def on_merge(self, window, ctx) -> None:
        pass

    def clear(self, window: TimeWindow, ctx) -> None:
        ctx.delete_event_time_timer(window.max_timestamp())


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    records = env.from_collection(
        [("a", 1000, 1), ("a", 2500, 2), ("b", 3000, 3), ("a", 6000, 4), ("b", 12000, 5), ("a", 13000, 6)],
        type_info=Types.TUPLE([Types.STRING(), Types.LONG(), Types.INT()]),
    ).assign_timestamps_and_watermarks(
        WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(SecondColumn())
    )
    keyed = records.key_by(lambda record: record[0], key_type=Types.STRING())
    spans = Types.TUPLE([Types.STRING(), Types.LONG(), Types.LONG(), Types.INT()])
    sums = Types.TUPLE([Types.STRING(), Types.INT()])

    keyed.window(TumblingEventTimeWindows.of(Time.seconds(5))).process(Span(), spans).print("tumbling")
    keyed.window(SlidingEventTimeWindows.of(Time.seconds(10), Time.seconds(5), Time.seconds(1))).process(
        Span(), spans
    ).print("sliding")
    keyed.window(EventTimeSessionWindows.with_gap(Time.seconds(3))).process(Span(), spans).print("session")
    keyed.window(EventTimeSessionWindows.with_dynamic_gap(Gap())).process(Span(), spans).print("dynamic")
    keyed.window(TumblingEventTimeWindows.of(Time.seconds(5))).aggregate(
        Average(), Named(), accumulator_type=Types.PICKLED_BYTE_ARRAY(), output_type=Types.PICKLED_BYTE_ARRAY()
    ).print("averages")
    keyed.window(TumblingEventTimeWindows.of(Time.seconds(20))).trigger(
        ContinuousEventTimeTrigger.of(Time.seconds(20))
    ).reduce(lambda one, other: (one[0], other[1], one[2] + other[2])).print("continuous")
    keyed.window(CountTumblingWindowAssigner.of(2)).apply(Sum(), sums).print("count")
    keyed.window(CountSlidingWindowAssigner.of(2, 1)).apply(Sum(), sums).print("counts sliding")
    keyed.count_window(3).apply(Sum(), sums).print("threes")
    keyed.window(GlobalWindows.create()).trigger(PurgingTrigger.of(CountTrigger.of(2))).apply(Sum(), sums).print(
        "global"
    )
    keyed.window(TenSeconds()).trigger(EventTimeTrigger.create()).process(Span(), spans).print("on time")
    keyed.window(TenSeconds()).process(Span(), spans).print("own")
    records.window_all(TumblingEventTimeWindows.of(Time.seconds(10))).apply(AllSum()).print("all")
    records.window_all(TumblingEventTimeWindows.of(Time.seconds(10))).process(AllCount()).print("all counted")
    for assigner in (
        TumblingProcessingTimeWindows.of(Time.days(1)),
        SlidingProcessingTimeWindows.of(Time.days(1), Time.days(1)),
        ProcessingTimeSessionWindows.with_gap(Time.days(1)),
    ):
        keyed.window(assigner).trigger(PurgingTrigger.of(CountTrigger.of(4))).apply(Sum(), sums).print(
            type(assigner).__name__
        )
    env.execute("windows")
