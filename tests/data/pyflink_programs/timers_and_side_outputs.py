from pyflink.common import Row, Types, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.datastream.time_domain import TimeDomain

ALARMS = OutputTag("alarms", Types.STRING())


class CountWithTimeout(KeyedProcessFunction):
    """Counts the clicks of a user, and tells the count when a minute has gone by without one."""

    def __init__(self):
        self.count = None
        self.due = None

    def open(self, runtime_context: RuntimeContext):
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))
        self.due = runtime_context.get_state(ValueStateDescriptor("due", Types.LONG()))

    def process_element(self, value, ctx: "KeyedProcessFunction.Context"):
        self.count.update((self.count.value() or 0) + 1)
        if self.due.value() is not None:
            ctx.timer_service().delete_event_time_timer(self.due.value())
        self.due.update(ctx.timestamp() + 60000)
        ctx.timer_service().register_event_time_timer(self.due.value())
        if value["amount"] > 100:
            yield ALARMS, "{} paid {}".format(value["user"], value.amount)

    def on_timer(self, timestamp: int, ctx: "KeyedProcessFunction.OnTimerContext"):
        assert ctx.time_domain() == TimeDomain.EVENT_TIME
        yield Row(user=ctx.get_current_key(), clicks=self.count.value(), at=timestamp)
        self.count.clear()
        self.due.clear()


class ByTime(TimestampAssigner):
    def extract_timestamp(self, value, record_timestamp: int) -> int:
        return value["time"]


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    click = Types.ROW_NAMED(["user", "time", "amount"], [Types.STRING(), Types.LONG(), Types.DOUBLE()])
    clicks = env.from_collection(
        [("ann", 1000, 5.0), ("bob", 2000, 120.5), ("ann", 50000, 7.0), ("ann", 200000, 500.0)], type_info=click
    ).assign_timestamps_and_watermarks(
        WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(ByTime())
    )
    counted = clicks.key_by(lambda row: row.user, key_type=Types.STRING()).process(
        CountWithTimeout(),
        output_type=Types.ROW_NAMED(["user", "clicks", "at"], [Types.STRING(), Types.LONG(), Types.LONG()]),
    )
    counted.get_side_output(ALARMS).print("alarm")
    counted.map(lambda row: "{} clicked {} times until {}".format(row["user"], row["clicks"], row["at"])).print()
    env.execute("timers")
