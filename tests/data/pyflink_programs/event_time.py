from typing import Iterable

from pyflink.common import Duration, Time, Types, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import OutputTag, ProcessFunction, ProcessWindowFunction, StreamExecutionEnvironment
from pyflink.datastream.window import TimeWindow, TumblingEventTimeWindows


class FirstElementTimestampAssigner(TimestampAssigner):
    def extract_timestamp(self, value, record_timestamp):
        return int(value[1])


class Watch(ProcessFunction):
    def process_element(self, value, ctx: "ProcessFunction.Context"):
        yield value[0], ctx.timestamp()


class CountWindowProcessFunction(ProcessWindowFunction):
    def process(self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[tuple]):
        return [(key, context.window().start, context.window().end, len([e for e in elements]))]


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    late = OutputTag("late-data", Types.TUPLE([Types.STRING(), Types.LONG()]))

    data_stream = env.from_collection(
        [("hi", 1), ("hi", 2000), ("hi", 1500), ("hi", 5000), ("hi", 7500), ("hi", 6500), ("hi", 15000)],
        type_info=Types.TUPLE([Types.STRING(), Types.LONG()]),
    )
    watermark_strategy = (
        WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_seconds(2))
        .with_timestamp_assigner(FirstElementTimestampAssigner())
        .with_idleness(Duration.of_minutes(1))
    )
    timed = data_stream.assign_timestamps_and_watermarks(watermark_strategy)
    timed.process(Watch()).print()
    counts = (
        timed.key_by(lambda x: x[0], key_type=Types.STRING())
        .window(TumblingEventTimeWindows.of(Time.seconds(5), Time.seconds(0)))
        .allowed_lateness(0)
        .side_output_late_data(late)
        .process(CountWindowProcessFunction(), Types.TUPLE([Types.STRING(), Types.LONG(), Types.LONG(), Types.INT()]))
    )
    counts.print("window")
    counts.get_side_output(late).print("late")
    env.execute("event time")
