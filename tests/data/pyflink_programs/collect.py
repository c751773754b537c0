import datetime
from decimal import Decimal

from pyflink.common import Row, RowKind, Types
from pyflink.datastream import FilterFunction, MapFunction, RuntimeContext, StreamExecutionEnvironment


class MyMapFunction(MapFunction):
    def __init__(self, by):
        self.by = by
        self.counter = None

    def open(self, runtime_context: RuntimeContext):
        self.subtask = runtime_context.get_index_of_this_subtask()
        self.counter = runtime_context.get_metrics_group().add_group("mine").counter("records")

    def map(self, value):
        self.counter.inc()
        return Row(value[0] + self.by, str(value[1]), self.subtask)

    def close(self):
        pass


class Even(FilterFunction):
    def filter(self, value):
        return value[0] % 2 == 0


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    ds = env.from_collection([(1, "aaa|bb"), (2, "bb|a"), (3, "aaa|a")])
    with ds.execute_and_collect() as results:
        for result in results:
            print(result)

    rows = ds.map(MyMapFunction(3), output_type=Types.ROW([Types.INT(), Types.STRING(), Types.INT()])).filter(Even())
    for row in rows.execute_and_collect(job_execution_name="few", limit=1):
        print(row[0], row[1], row[2])

    ds2 = env.from_collection(
        collection=[(4, None), (5, "x")], type_info=Types.ROW_NAMED(["id", "name"], [Types.INT(), Types.STRING()])
    )
    union = rows.map(lambda row: row[0], Types.INT()).union(ds2.map(lambda row: row.id, Types.INT()))
    print(sorted(union.execute_and_collect()))

    values = [
        Row(
            1,
            None,
            True,
            3.5,
            "text",
            b"bytes",
            datetime.date(2014, 9, 13),
            datetime.time(12, 0, 0, 123000),
            datetime.datetime(2018, 3, 11, 3, 0, 0, 123000),
            [1, 2, 3],
            {"a": 1.5},
            Decimal("1000000000000000000.05"),
        )
    ]
    typed = env.from_collection(
        values,
        type_info=Types.ROW(
            [
                Types.LONG(),
                Types.SHORT(),
                Types.BOOLEAN(),
                Types.DOUBLE(),
                Types.STRING(),
                Types.PRIMITIVE_ARRAY(Types.BYTE()),
                Types.SQL_DATE(),
                Types.SQL_TIME(),
                Types.SQL_TIMESTAMP(),
                Types.BASIC_ARRAY(Types.LONG()),
                Types.MAP(Types.STRING(), Types.DOUBLE()),
                Types.BIG_DEC(),
            ]
        ),
    )
    [row] = typed.rebalance().execute_and_collect()
    print(row == values[0], row.get_row_kind() == RowKind.INSERT, len(row))

    client = env.from_sequence(1, 5).key_by(lambda n: n % 2).max().name("greatest")
    client.print()
    job = env.execute_async("in the background")
    print(job.get_job_execution_result().result().get_job_id() == job.get_job_id())
    print(job.get_job_status().result())
