"""What two_modules.py uses: a program often has its functions in a module beside it."""

import pyflink.datastream as ds
from pyflink.common.typeinfo import Types
from pyflink.datastream.state import ValueStateDescriptor


class Shout(ds.MapFunction):
    def __init__(self, sign):
        self.sign = sign

    def map(self, value):
        return value.upper() + self.sign


class LengthPerKey(ds.KeyedProcessFunction):
    def open(self, runtime_context: ds.RuntimeContext):
        self.length = runtime_context.get_state(ValueStateDescriptor("length", Types.INT()))

    def process_element(self, value, ctx: ds.KeyedProcessFunction.Context):
        self.length.update((self.length.value() or 0) + len(value))
        yield "{} {}".format(value, self.length.value())


def is_long(word):
    from pyflink.datastream.window import TimeWindow

    return TimeWindow(0, len(word)).max_timestamp() > 1
