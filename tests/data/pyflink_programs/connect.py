from pyflink.common import Types
from pyflink.datastream import (
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    KeyedCoProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.state import ListStateDescriptor, ValueStateDescriptor


class Both(CoMapFunction):
    def map1(self, value):
        return "number {}".format(value)

    def map2(self, value):
        return "word {}".format(value)


class Split(CoFlatMapFunction):
    def flat_map1(self, value):
        yield from range(value)

    def flat_map2(self, value):
        for letter in value:
            yield letter


class Tagged(CoProcessFunction):
    def process_element1(self, value, ctx: "CoProcessFunction.Context"):
        yield 1, value, ctx.timestamp()

    def process_element2(self, value, ctx: "CoProcessFunction.Context"):
        yield 2, value, ctx.timestamp()


class Enrich(KeyedCoProcessFunction):
    """Orders wait for the name of their customer."""

    def open(self, runtime_context: RuntimeContext):
        self.name = runtime_context.get_state(ValueStateDescriptor("name", Types.STRING()))
        self.waiting = runtime_context.get_list_state(ListStateDescriptor("waiting", Types.FLOAT()))

    def process_element1(self, value, ctx: "KeyedCoProcessFunction.Context"):
        if self.name.value() is None:
            self.waiting.add(value[1])
        else:
            yield self.name.value(), value[1]

    def process_element2(self, value, ctx: "KeyedCoProcessFunction.Context"):
        self.name.update(value[1])
        for amount in self.waiting.get():
            yield value[1], amount
        self.waiting.clear()


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    numbers = env.from_collection([1, 2], type_info=Types.INT())
    words = env.from_collection(["ab", "c"], type_info=Types.STRING())
    connected = numbers.connect(words)
    for result in (
        connected.map(Both(), output_type=Types.STRING()),
        connected.flat_map(Split(), output_type=Types.PICKLED_BYTE_ARRAY()),
        connected.process(Tagged()),
        numbers.connect(words).key_by(lambda n: n % 2, lambda w: len(w) % 2).map(Both(), Types.STRING()),
    ):
        with result.execute_and_collect() as found:
            print(sorted(map(str, found)))

    orders = env.from_collection([("c1", 2.5), ("c2", 4.0), ("c1", 1.0)])
    customers = env.from_collection([("c1", "ann"), ("c2", "bob")])
    enriched = (
        orders.connect(customers)
        .key_by(lambda order: order[0], lambda customer: customer[0], key_type=Types.STRING())
        .process(Enrich(), output_type=Types.TUPLE([Types.STRING(), Types.FLOAT()]))
    )
    with enriched.execute_and_collect("enriched") as found:
        print(sorted(found))
