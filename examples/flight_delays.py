"""How late do flights leave New York? For each airport, airline and hour: flights, cancellations and the mean delay.

    python examples/flight_delays.py --output delays --out-of-orderness 2h

The input lies in the order in which the flights really left, so by their scheduled departure, which is the event time
here, it is out of order by up to 22 hours. A flight that comes when its hour has been counted is late, and goes to a
file of its own. Results are written exactly once: kill what you like while it runs, each flight is counted once.

DIR gets `part-*.csv` (the hours) and `late/part-*.csv` (late flights, as in the input).
"""

import argparse
import csv
import gzip
import operator
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from millstream import (
    AggregateFunction,
    ConfigurationError,
    DataStream,
    FileSink,
    FileSource,
    JobFailedError,
    JobStatus,
    MillstreamError,
    NonRecoverableError,
    OutputTag,
    ProcessWindowFunction,
    StreamExecutionEnvironment,
    Time,
    TimeWindow,
    TumblingEventTimeWindows,
    Types,
    WatermarkStrategy,
)
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.messages.session import TaskTotals

JULY = Path(__file__).parent / "data" / "flights-2013-07.csv.gz"
COLUMNS: dict[str, object] = {
    "dep_time": int | None,
    "dep_delay": float | None,
    "carrier": str,
    "origin": str,
    "minute": int,
    "time_hour": Types.INSTANT(),
}
MOST_TASKS = 32_768  # as many as keys can be dealt out to
INPUT_COLUMNS = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour"
)


class Flight(NamedTuple):
    """What the job needs of a line, and the line itself, for the file of late flights."""

    scheduled: int  # departure, milliseconds since the epoch
    origin: str
    carrier: str
    cancelled: bool
    delay: float | None  # minutes; None for a flight that never left
    line: str


class Delays(NamedTuple):
    """The sum of some flights."""

    flights: int
    cancelled: int
    left: int
    minutes: float


class Hour(NamedTuple):
    """A line of the result."""

    window_start: str
    origin: str
    carrier: str
    flights: int
    cancelled: int
    mean_dep_delay: str


def with_schedule(columns: pa.RecordBatch) -> pa.RecordBatch:
    """Columns in, columns out, thousands of rows at a time: this is where vectorised work belongs."""
    hour = pc.cast(columns["time_hour"], pa.timestamp("ms", "UTC")).cast(pa.int64())  # UTC, as the file has it
    scheduled = pc.add(hour, pc.multiply(columns["minute"], 60_000))
    cancelled = pc.is_null(columns["dep_time"])
    arrays = [scheduled, columns["origin"], columns["carrier"], cancelled, columns["dep_delay"], columns["line"]]
    return pa.RecordBatch.from_arrays(arrays, names=list(Flight._fields))


class SumOfDelays(AggregateFunction[Flight, Delays, Delays]):
    """Keeps four numbers for each airport, airline and hour, however many flights there are."""

    def create_accumulator(self) -> Delays:
        return Delays(0, 0, 0, 0.0)

    def add(self, value: Flight, accumulator: Delays) -> Delays:
        flights, cancelled, left, minutes = accumulator
        if value.delay is None:
            return Delays(flights + 1, cancelled + value.cancelled, left, minutes)
        return Delays(flights + 1, cancelled + value.cancelled, left + 1, minutes + value.delay)

    def get_result(self, accumulator: Delays) -> Delays:
        return accumulator

    def merge(self, acc_a: Delays, acc_b: Delays) -> Delays:
        return Delays._make(map(operator.add, acc_a, acc_b))


class ToHour(ProcessWindowFunction[Delays, Hour, tuple[str, str], TimeWindow]):
    """Adds what only the window knows: its hour and its key."""

    def process(
        self, key: tuple[str, str], context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Delays]
    ) -> Iterator[Hour]:
        [delays] = elements
        start = datetime.fromtimestamp(context.window().start / 1_000, UTC)
        yield Hour(f"{start:%Y-%m-%dT%H:%M:%SZ}", *key, delays.flights, delays.cancelled, mean(delays))


def mean(delays: Delays) -> str:
    """Two decimals, halves away from zero, as SQL rounds; nothing when no flight left."""
    if not delays.left:
        return ""
    return str((Decimal(delays.minutes) / delays.left).quantize(Decimal("0.01"), ROUND_HALF_UP) + 0)  # no -0.00


def build(env: StreamExecutionEnvironment, source: str, output: Path, out_of_orderness: timedelta) -> None:
    """Write the job down; `env.execute` runs it."""
    # One split, in the file's order: which flights are late depends on who came before.
    files = FileSource.csv(source, COLUMNS, null_values=["NA"], line_column="line", splits=1)
    # A watermark behind every flight that raises it, not behind every batch: so two runs agree on what is late.
    times: WatermarkStrategy[Flight] = (
        WatermarkStrategy.for_bounded_out_of_orderness(out_of_orderness)
        .with_punctuated_watermarks()
        .with_timestamp_assigner(lambda flight: flight.scheduled)
    )
    flights: DataStream[Flight] = (
        env.from_source(files, WatermarkStrategy.no_watermarks(), "flights")
        .set_parallelism(1)
        .map_batches(with_schedule)
        .set_parallelism(1)
        .map(lambda row: Flight(*row), output_type=Types.NAMED_TUPLE(Flight))  # from here on, row by row
        .set_parallelism(1)
        .assign_timestamps_and_watermarks(times)
        .set_parallelism(1)
    )
    too_late = OutputTag("late", Types.NAMED_TUPLE(Flight))
    hours = (
        flights.key_by(lambda flight: (flight.origin, flight.carrier), Types.TUPLE([Types.STRING(), Types.STRING()]))
        .window(TumblingEventTimeWindows.of(Time.hours(1)))
        .side_output_late_data(too_late)
        .aggregate(SumOfDelays(), ToHour(), output_type=Types.NAMED_TUPLE(Hour))
        .name("hours")
    )
    hours.sink_to(FileSink.csv(output, columns=Hour._fields)).name("results")
    late = hours.get_side_output(too_late).map(lambda flight: flight.line, output_type=Types.STRING())
    late.sink_to(FileSink.text(output / "late", header=INPUT_COLUMNS, suffix=".csv")).name("late flights")


class Progress:
    """A line a second, and one for each restart: flights read, rate, watermark, checkpoints."""

    def __init__(self) -> None:
        self.read = 0
        self._told = time.monotonic()
        self._taken = 0
        self._attempt = 1
        self._restarts = set[tuple[int, int]]()

    def __call__(self, details: JobDetails) -> None:
        # Since the job's beginning, whatever failed meanwhile: counts of a checkpoint survive, those of tasks don't.
        self.read = max((counts.received for counts in details.operators if counts.name == "hours"), default=0)
        self._tell_restarts(details)
        attempt = max((task.attempt for task in details.tasks), default=1)
        if attempt > self._attempt:
            self._attempt, self._taken = attempt, 0
            newest = max((point.checkpoint for point in details.checkpoints), default=0)
            start = f"checkpoint {newest}" if newest else "the beginning"
            print(f"  something died; attempt {attempt} goes on from {start}", flush=True)
        elapsed = time.monotonic() - self._told
        totals = [(task.vertex, task.totals) for task in details.tasks if task.totals is not None]
        # Workers tell theirs once a second, each in its own time: before all have, the sums would mislead.
        if elapsed >= 1 and len(totals) == len(details.tasks) > 0:
            self._told += elapsed
            self._tell(totals, elapsed, 0 if details.counts is None else details.counts.completed)

    def _tell_restarts(self, details: JobDetails) -> None:
        for restart in details.restarts:
            # One that follows from another failure (a lost peer) waits for the first cause, or for the next attempt.
            known = not restart.failure.secondary or details.status.state is not JobStatus.RESTARTING
            if known and (restart.region, restart.attempt) not in self._restarts:
                self._restarts.add((restart.region, restart.attempt))
                told = f"restarting (attempt {restart.attempt}): {restart.failure.headline}"
                print(told, file=sys.stderr, flush=True)

    def _tell(self, totals: Sequence[tuple[str, TaskTotals]], elapsed: float, newest: int) -> None:
        # Tasks in front take in splits or nothing, those behind take in hours: the counting ones see each flight.
        taken = Counter[str]()
        for vertex, total in totals:
            taken[vertex] += total.records_in
        [(counting, flights)] = taken.most_common(1)
        rate, self._taken = max(flights - self._taken, 0) / elapsed, flights
        # The slowest task's. One that waits for its first flight has none yet, which is a very low number.
        slowest = min(total.watermark for vertex, total in totals if vertex == counting)
        reached = shown_watermark(slowest)
        told = f"watermark {reached:16}   checkpoint {newest or 'none'}"
        print(f"{flights:>9,} flights {rate:>8,.0f}/s   {told}", flush=True)


def shown_watermark(milliseconds: int) -> str:
    """As a time. Behind the last flight comes the watermark of the end, which no calendar has."""
    if milliseconds <= 0:
        return "none yet"
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%F %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "the end"


def rows_of(folder: Path) -> Iterator[dict[str, str]]:
    """All lines of all part files, by the names in their headers."""
    for path in sorted(folder.glob("part-*.csv")):
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def show_results(source: str, output: Path, read: int, span: timedelta) -> bool:
    """The ten busiest hours and the totals; whether those balance. `read` is 0 where the job doesn't tell it."""
    hours = list(rows_of(output))
    print("\nThe ten busiest hours:")
    print(f"{'hour (UTC)':22}{'from':6}{'airline':9}{'flights':>8}{'cancelled':>11}{'mean delay':>12}")
    for hour in sorted(hours, key=lambda hour: (-int(hour["flights"]), *hour.values()))[:10]:
        start, origin, carrier, flights, cancelled, minutes = hour.values()
        print(f"{start:22}{origin:6}{carrier:9}{flights:>8}{cancelled:>11}{minutes and f'{minutes} min':>12}")
    in_windows = sum(int(hour["flights"]) for hour in hours)
    late = sum(1 for _ in rows_of(output / "late"))
    read = read or in_windows + late
    with gzip.open(source) if source.endswith(".gz") else Path(source).open("rb") as file:
        lines = sum(1 for line in file if line.strip()) - 1  # without the header
    balanced = read == in_windows + late <= lines
    print(f"\nDo the totals balance? {'Yes:' if balanced else 'NO, and they must:'}")
    print(f"  lines {lines:,} = read {read:,} + malformed {lines - read:,}")
    print(f"  read {read:,} = in windows {in_windows:,} + late {late:,} (came over {spelled(span)} out of order)")
    print(f"The {len(hours):,} hours are in {output}/part-*.csv, the late flights in {output}/late/part-*.csv")
    return balanced


def spelled(span: timedelta) -> str:
    """`2 h` or `1 h 30 min`."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    parts = (minutes // 60, "h"), (minutes % 60, "min"), (seconds, "s")
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def span(text: str) -> timedelta:
    """`2h`, `90min` or `30s`."""
    units = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
    found = re.fullmatch(r"(\d+)\s*(s|min|h|d)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; write 2h, 90min or 30s")
    try:
        return timedelta(**{units[found[2]]: int(found[1])})
    except (OverflowError, ValueError):  # more days than a timedelta has, more digits than Python reads
        raise argparse.ArgumentTypeError(f"{text:.40} is longer than time will be; write 2h, 90min or 30s") from None


def problem_of(given: argparse.Namespace) -> str:
    """What is wrong with the arguments, seen before a cluster is started for them; empty when nothing is."""
    source = Path(given.input)
    if not 1 <= given.parallelism <= MOST_TASKS:
        return f"--parallelism is 1 or more, and at most {MOST_TASKS}, but got {given.parallelism}"
    if not source.is_file():
        return f"--input names one file, and {source} is {'a directory' if source.is_dir() else 'not there'}"
    try:
        with gzip.open(source) if source.suffix == ".gz" else source.open("rb") as file:
            header = next(csv.reader([file.readline(10_000).decode("utf-8-sig")]), [])
    except (OSError, EOFError, UnicodeDecodeError) as error:
        return f"{source} can't be read: {error}"
    if missing := ", ".join(sorted(COLUMNS.keys() - header)):
        return (
            f"{source} has no {f'columns {missing}' if header else 'first line'}; its header must name {INPUT_COLUMNS}"
        )
    return "" if given.output is None else problem_of_output(given.output)


def problem_of_output(output: Path) -> str:
    """Why results can't go there; the directory is made if it isn't there yet."""
    try:
        (output / "late").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        return f"--output names a directory to write to, and {output} can't be one: {error.strerror or error}"
    hidden = [path.name for path in output.rglob(".part-*") if path.suffix in {".pending", ".inprogress"}]
    if hidden:
        return (
            f"a former run into {output} broke off, or still runs: {len(hidden)} files in it are unfinished, such as "
            f"{hidden[0]}; name another directory, or delete this one when nothing writes to it"
        )
    if next(rows_of(output), None) is not None:
        return f"{output} has results already, and these would be added to them; name another directory"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """0 when the totals balance, 1 when not or when the job fails, 2 for wrong arguments, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default=str(JULY), help="flights as CSV, gzip or not (default: July 2013)")
    parser.add_argument("--output", type=Path, help="an empty or new directory (default: one in the temporary files)")
    parser.add_argument("--parallelism", type=int, default=2, help="tasks that count, side by side (default: 2)")
    parser.add_argument("--out-of-orderness", type=span, default=timedelta(hours=2), metavar="SPAN", help="default: 2h")
    given = parser.parse_args(arguments)
    if problem := problem_of(given):
        parser.error(problem)
    try:
        return run(given)
    except JobFailedError as error:
        print(error if error.failure is None else f"The job has failed: {error.failure.headline}", file=sys.stderr)
    except ConfigurationError as error:  # in the file or the environment variables
        print(error, file=sys.stderr)
        return 2
    except (MillstreamError, NonRecoverableError, OSError) as error:  # inline, errors of the input come as they are
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def run(given: argparse.Namespace) -> int:
    """The job from its first line to the table; 0 when the totals balance."""
    output: Path = given.output or Path(tempfile.mkdtemp(prefix="flight-delays-"))
    env = StreamExecutionEnvironment.get_execution_environment().set_parallelism(given.parallelism)
    if env.get_checkpoint_interval() < 0:  # unless it is configured otherwise
        env.enable_checkpointing(1_000)
    build(env, given.input, output, given.out_of_orderness)
    print(f"Counting the flights in {given.input} per hour, airport and airline.")
    print(f"A flight may come {spelled(given.out_of_orderness)} out of order; results go to {output}", flush=True)
    job = env.execute_async("flight delays")
    print(f"Job {job.get_job_id()} runs, {given.parallelism} tasks count", flush=True)
    progress = Progress()
    job.observe(progress)
    result = job.get_job_execution_result().result()
    print(f"Finished after {result.get_net_runtime() / 1_000:.1f} s", flush=True)
    return 0 if show_results(given.input, output, progress.read, given.out_of_orderness) else 1


if __name__ == "__main__":
    sys.exit(main())
