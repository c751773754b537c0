"""Rows that get their names, and numbers that get their class, by the type that a function declares."""

import json

from pyflink.common import Row, Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.functions import FlatMapFunction, KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

ORDER = Types.ROW_NAMED(["name", "price"], [Types.STRING(), Types.DOUBLE()])


class Parse(FlatMapFunction):
    def flat_map(self, value):
        for order in json.loads(value):
            yield Row(order["name"], order["price"])


class Total(KeyedProcessFunction):
    def open(self, runtime_context):
        self.total = runtime_context.get_state(ValueStateDescriptor("total", Types.DOUBLE()))

    def process_element(self, value, ctx):
        self.total.update((self.total.value() or 0) + value.price)
        yield Row(price=self.total.value(), name=ctx.get_current_key())


env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism(1)
lines = env.from_collection(['[{"name": "ann", "price": 3}]', '[{"name": "ann", "price": 0.5}]'], Types.STRING())
orders = lines.flat_map(Parse(), output_type=ORDER)
orders.key_by(lambda order: order.name, key_type=Types.STRING()).process(Total(), output_type=ORDER).print()
env.execute("rows")
