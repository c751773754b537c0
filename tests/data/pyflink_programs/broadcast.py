from pyflink.common import Types
from pyflink.datastream import (
    BroadcastProcessFunction,
    KeyedBroadcastProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

RULES = MapStateDescriptor("rules", Types.STRING(), Types.INT())


class Known(BroadcastProcessFunction):
    """What is known of rules at the end of the input."""

    def process_element(self, value, ctx: BroadcastProcessFunction.ReadOnlyContext):
        rules = ctx.get_broadcast_state(RULES)
        yield "{} {}".format(value[0], rules.contains("none such"))

    def process_broadcast_element(self, value, ctx: BroadcastProcessFunction.Context):
        ctx.get_broadcast_state(RULES).put(value[0], value[1])
        yield "rule {} is one of {}".format(value[0], sorted(key for key, _ in ctx.get_broadcast_state(RULES).items()))


class Limits(KeyedBroadcastProcessFunction):
    """Amounts of a user above the limit; those without a limit yet are kept, and looked at when it comes."""

    def __init__(self):
        self.kept = ValueStateDescriptor("kept", Types.PICKLED_BYTE_ARRAY())

    def open(self, runtime_context: RuntimeContext):
        self.state = runtime_context.get_state(self.kept)

    def process_element(self, value, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext):
        rules = ctx.get_broadcast_state(RULES)
        if rules.contains("limit"):
            yield from self.above(ctx.get_current_key(), value[1], rules.get("limit"))
        else:
            self.state.update([*(self.state.value() or []), value[1]])

    def process_broadcast_element(self, value, ctx: KeyedBroadcastProcessFunction.Context):
        ctx.get_broadcast_state(RULES).put(*value)
        found = []
        ctx.apply_to_keyed_state(self.kept, lambda key, state: found.extend(self.drained(key, state, value[1])))
        yield from found

    def drained(self, key, state, limit):
        for amount in state.value() or []:
            yield from self.above(key, amount, limit)
        state.clear()

    def above(self, user, amount, limit):
        if amount > limit:
            yield "{}: {} is more than {}".format(user, amount, limit)


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    payments = env.from_collection([("ann", 3), ("bob", 12), ("ann", 30)])
    rules = env.from_collection([("limit", 10)], type_info=Types.TUPLE([Types.STRING(), Types.INT()]))

    plain = payments.connect(rules.broadcast(RULES)).process(Known(), output_type=Types.STRING())
    print(sorted(plain.execute_and_collect()))

    keyed = (
        payments.key_by(lambda payment: payment[0], key_type=Types.STRING())
        .connect(rules.broadcast(RULES))
        .process(Limits(), output_type=Types.STRING())
    )
    print(sorted(keyed.execute_and_collect()))
