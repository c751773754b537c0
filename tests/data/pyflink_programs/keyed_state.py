from pyflink.common import Time, Types
from pyflink.datastream import FlatMapFunction, KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.functions import AggregateFunction, ReduceFunction
from pyflink.datastream.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)


class CountWindowAverage(FlatMapFunction):
    """The average of each two values of a key."""

    def __init__(self):
        self.sum = None

    def open(self, runtime_context: RuntimeContext):
        descriptor = ValueStateDescriptor("average", Types.PICKLED_BYTE_ARRAY())
        state_ttl_config = (
            StateTtlConfig.new_builder(Time.hours(1))
            .set_update_type(StateTtlConfig.UpdateType.OnReadAndWrite)
            .set_state_visibility(StateTtlConfig.StateVisibility.NeverReturnExpired)
            .cleanup_incrementally(10, False)
            .build()
        )
        descriptor.enable_time_to_live(state_ttl_config)
        self.sum = runtime_context.get_state(descriptor)

    def flat_map(self, value):
        current_sum = self.sum.value()
        if current_sum is None:
            current_sum = (0, 0)
        current_sum = (current_sum[0] + 1, current_sum[1] + value[1])
        if current_sum[0] >= 2:
            self.sum.clear()
            yield value[0], int(current_sum[1] / current_sum[0])
        else:
            self.sum.update(current_sum)


class Longest(ReduceFunction):
    def reduce(self, value1, value2):
        return value1 if len(value1) >= len(value2) else value2


class Average(AggregateFunction):
    def create_accumulator(self):
        return 0, 0

    def add(self, value, accumulator):
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator):
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return a[0] + b[0], a[1] + b[1]


class EveryKind(KeyedProcessFunction):
    def open(self, runtime_context: RuntimeContext):
        self.names = runtime_context.get_list_state(ListStateDescriptor("names", Types.STRING()))
        self.counts = runtime_context.get_map_state(MapStateDescriptor("counts", Types.STRING(), Types.LONG()))
        self.longest = runtime_context.get_reducing_state(
            ReducingStateDescriptor("longest", Longest(), Types.STRING())
        )
        self.average = runtime_context.get_aggregating_state(
            AggregatingStateDescriptor("average", Average(), Types.PICKLED_BYTE_ARRAY())
        )

    def process_element(self, value, ctx: "KeyedProcessFunction.Context"):
        name, amount = value
        self.names.add(name)
        self.counts.put(name, (self.counts.get(name) or 0) + 1)
        self.longest.add(name)
        self.average.add(amount)
        yield "{}: {} {} {} {}".format(
            ctx.get_current_key(),
            list(self.names.get()),
            sorted(self.counts.items()),
            self.longest.get(),
            self.average.get(),
        )


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    env.from_collection([(1, 3), (1, 5), (2, 7), (1, 4), (2, 2)]).key_by(lambda row: row[0]).flat_map(
        CountWindowAverage()
    ).print()
    env.execute("averages")

    visits = env.from_collection(
        [("ann", 4), ("bob", 8), ("ann", 6), ("claire", 1)],
        type_info=Types.TUPLE([Types.STRING(), Types.INT()]),
    )
    visits.key_by(lambda visit: visit[1] % 2 == 0, key_type=Types.BOOLEAN()).process(
        EveryKind(), output_type=Types.STRING()
    ).print()
    env.execute("every kind of state")
