"""A script that is edited between a savepoint and its restore: its classes have other fields, its state a time to live,
and it runs with another parallelism.
"""

import pytest

from tests.integration.cli.programs import Programs

pytestmark = pytest.mark.slow

VERSION = """
import sys, time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple
from millstream import (
    KeyedProcessFunction, Read, RowBatch, Source, SplitReader, StateTtlConfig, StreamExecutionEnvironment,
    ValueStateDescriptor, WatermarkStrategy,
)

{classes}

class Half(Source):
    has_enumerator = False
    def __init__(self, until):
        self.until = until
    def static_splits(self, parallelism):
        return (0, 1)
    def create_reader(self, context, split, position):
        return HalfReader(split, position or 0, self.until)

class HalfReader(SplitReader):
    def __init__(self, split, position, until):
        self.split, self.next, self.until = split, position, until
    def read(self, limit):
        if self.next == self.until:
            return Read(ended=self.until == 20)
        self.next += 1
        return Read(RowBatch([(self.next % 5, self.split * 20 + self.next)]))
    def position(self):
        return self.next

class Keep(KeyedProcessFunction):
    def open(self, runtime_context):
        descriptor = ValueStateDescriptor("kept", Kept)
        {ttl}
        self.kept = runtime_context.get_state(descriptor)
    def process_element(self, value, ctx):
        kept = self.kept.value()
        self.kept.update(Kept(kept.numbers + (value[1],) if kept else (value[1],), Last(value[1])))
        if len(self.kept.value().numbers) == 8:
            yield value[0], sum(self.kept.value().numbers)

env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism({parallelism})
env.configure({{"execution.state-recovery.path": sys.argv[1]}} if len(sys.argv) > 1 else {{}})
source = env.from_source(Half({until}), WatermarkStrategy.no_watermarks()).uid("source")
source.key_by(lambda record: record[0]).process(Keep()).uid("keep").map(str).print()
"""
FIRST = VERSION.format(
    classes="""
class Last(NamedTuple):
    number: int

@dataclass(frozen=True, slots=True)
class Kept:
    numbers: tuple
    last: Last
    gone: str = "gone"
""",
    ttl="",
    parallelism=2,
    until=10,
)
SECOND = VERSION.format(
    classes="""
class Last(NamedTuple):
    day: int = 3
    number: int = 0

    @staticmethod
    def of(number):
        return Last(3, number)

@dataclass(frozen=True, slots=True)
class Kept:
    numbers: tuple
    place: str = field(default="Oslo", kw_only=True)
    last: Last
""",
    ttl="descriptor.enable_time_to_live(StateTtlConfig(timedelta(hours=1)))",
    parallelism=3,
    until=20,
).replace("Last(value[1])", "Last.of(value[1])")
THIRD = SECOND.replace('place: str = field(default="Oslo", kw_only=True)', "place: str")

STOP = """
job = env.execute_async("next")
read = []
job.observe(lambda details: read.append(sum(task.totals.records_read for task in details.tasks if task.totals)))
waiting, deadline = job.get_job_execution_result(), time.monotonic() + 30
while (not read or read[-1] < 20) and time.monotonic() < deadline:
    time.sleep(0.01)
print(job.stop_with_savepoint(False, sys.path[0] + "/savepoints").result())
"""


def test_the_next_version_goes_on_and_the_one_after_is_refused(programs: Programs) -> None:
    code, out, err = programs.run(FIRST + STOP)
    assert code == 0, err
    savepoint = out.strip().splitlines()[-1]
    code, out, err = programs.run(SECOND + "env.execute()\n", savepoint)
    assert code == 0, err
    sums = {key: sum(n for n in (*range(1, 21), *range(21, 41)) if n % 5 == key) for key in range(5)}
    assert sorted(line.partition("> ")[2] or line for line in out.splitlines()) == sorted(map(str, sums.items()))
    code, _, err = programs.run(THIRD + "env.execute()\n", savepoint)
    assert code == 1
    assert (
        "state 'kept' can't be restored: the class __main__.Kept has the field 'place' now, which stored objects of it "
        "don't have and which has no default; give it one, or take it out again"
    ) in err
