"""What is sent between two steps fails its task as what is sent within one."""

from collections.abc import Callable

import pytest

from millstream_dataflow.identity import ChannelId, CheckpointId, EdgeId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.grouped import GroupedSpecification
from millstream_dataflow.operators.specifications import CollectSpecification, KeyedProcessSpecification, KeySelection
from millstream_dataflow.records import Barrier, Element, RowBatch, Watermark
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.credits import NO_LIMIT
from millstream_taskmanager.exchange.output import Output, Outputs
from millstream_taskmanager.exchange.partitioners import Forward
from millstream_taskmanager.exchange.pending import FlushRules, PendingList
from millstream_taskmanager.operators.base import SLICE
from millstream_taskmanager.operators.grouped import GroupedOperator
from millstream_taskmanager.task.pump import Activity, Pump
from millstream_taskmanager.worker.scheduler import Delays
from tests.support.tasks import Drawing, ListSource, VirtualDoors, VirtualJob


class Refusing:
    """The end of a channel over which nothing can travel."""

    def __init__(self, edge: int, credit: int, error: BaseException = TypeError("it can't be pickled")) -> None:  # noqa: B008  # nobody changes it
        self.error = error
        self.credited: Callable[[], None] | None = None
        self.id = ChannelId(EdgeId(edge), 0, 0)
        self.credit = credit
        self.turn = NO_LIMIT

    def send(self, element: Element, size: int, *, more: bool) -> None:
        raise self.error

    def when_credited(self, action: Callable[[], None]) -> None:
        self.credited = action


@pytest.mark.parametrize("raised", [TypeError("it can't be pickled"), SystemExit("a __reduce__ that leaves")])
def test_a_batch_that_the_clock_sends_and_that_can_not_travel_fails_the_task(raised: BaseException) -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    job = VirtualJob(drawing)
    ends = [Refusing(0, 100, raised), Refusing(1, 0, raised)]  # the second holds the task, so only the clock sends
    outputs = [
        Output(end.id.edge, Forward(), [PendingList(end, FlushRules(1_000, 1_000_000, timeout=100))]) for end in ends
    ]
    errors: list[BaseException] = []
    pump = Pump(Outputs(outputs, 100), VirtualDoors(job), errors.append)
    outputs[0].emit(RowBatch(["a lambda"]), 0)
    pump.begin(iter([(0, RowBatch(["another"]))]))
    ends[1].credit = 1
    pump.pull()
    ends[1].credit = 0
    pump.send(more_input=True)
    assert errors == []
    job.now = 150
    job.scheduler.run_timers(job.now)
    assert errors == [raised]
    pump.close()


@pytest.mark.parametrize("raised", [TypeError("it can't be pickled"), SystemExit("a __reduce__ that leaves")])
def test_a_batch_that_waited_for_credit_and_can_not_travel_fails_the_task(raised: BaseException) -> None:
    end = Refusing(0, 0, raised)
    errors: list[BaseException] = []
    pending = PendingList(end, FlushRules(1_000, 1_000_000, timeout=100))
    pending.when_writable(lambda: errors.append(AssertionError("it was not sent")), errors.append)
    pending.add(RowBatch(["a lambda"]), 10, 0)
    pending.flush(more=False)
    end.credit = 1
    assert end.credited is not None
    end.credited()
    assert errors == [raised]


class Steady(VirtualDoors):
    """Doors of a machine whose clock on the wall is another than that for delays."""

    def __init__(self, job: VirtualJob, steady: Delays) -> None:
        super().__init__(job)
        self._steady = steady

    @property
    def delays(self) -> Delays:  # type: ignore[override]  # the job's own are its processing time
        return self._steady


class Open(Refusing):
    """One over which everything travels."""

    def __init__(self) -> None:
        super().__init__(0, credit=100)
        self.sent: list[Element] = []

    def send(self, element: Element, size: int, *, more: bool) -> None:
        self.sent.append(element)


def test_a_clock_that_is_set_back_holds_no_batch() -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    job = VirtualJob(drawing, now=3_600_000)
    time = [0]
    delays = Delays(lambda: time[0])
    end = Open()
    errors: list[BaseException] = []
    outputs = [Output(end.id.edge, Forward(), [PendingList(end, FlushRules(1_000, 1_000_000, timeout=100))])]
    pump = Pump(Outputs(outputs, 100), Steady(job, delays), errors.append)
    pump.begin(iter([(0, RowBatch(["waits"]))]))
    pump.pull()
    pump.send(more_input=True)
    assert end.sent == []
    job.now = 0
    time[0] = 100
    pump.send(more_input=True)  # its task goes on being busy
    assert (end.sent, errors) == ([RowBatch(["waits"])], [])
    pump.close()


def test_a_batch_that_is_a_slice_by_itself_takes_one_pull_and_what_is_more_one_each() -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    end = Open()
    outputs = Outputs([Output(end.id.edge, Forward(), [PendingList(end, FlushRules(1, 1, timeout=100))])], 100)
    errors: list[BaseException] = []
    pump = Pump(outputs, VirtualDoors(VirtualJob(drawing)), errors.append)
    batch = RowBatch(list(range(SLICE)))
    pump.begin(iter([(0, batch)]))
    pump.pull()
    assert (pump.idle, end.sent) == (True, [batch])
    end.sent.clear()
    pump.begin(iter([(0, batch), (0, Watermark(7)), (0, batch), (0, RowBatch([1])), (0, RowBatch([2]))]))
    pulls = list[list[Element]]()
    while not pump.idle:
        pump.pull()
        pulls.append(list(end.sent))
        end.sent.clear()
    assert (pulls, errors) == ([[batch], [Watermark(7), batch], [RowBatch([1]), RowBatch([2])]], [])
    pump.close()


def test_no_alarm_is_set_for_what_was_sent_at_once() -> None:
    end = Open()
    outputs = Outputs([Output(end.id.edge, Forward(), [PendingList(end, FlushRules(2, 1_000, timeout=100))])], 100)
    outputs.emit(0, RowBatch([1, 2]), 0)
    assert (outputs.due, end.sent) == (None, [RowBatch([1, 2])])
    outputs.emit(0, Barrier(CheckpointId(1)), 0)
    assert outputs.due is None
    outputs.emit(0, RowBatch([3]), 10)
    outputs.emit(0, Watermark(5), 20)
    assert outputs.due == 110
    outputs.flush_old(110)
    outputs.emit(0, Watermark(6), 150)
    assert outputs.due == 250


def test_a_slice_that_was_slow_to_come_is_sent_before_the_next_is_made() -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    job = VirtualJob(drawing)
    end = Open()
    outputs = Outputs([Output(end.id.edge, Forward(), [PendingList(end, FlushRules(1, 1, timeout=100))])], 100)
    errors: list[BaseException] = []
    pump = Pump(outputs, VirtualDoors(job), errors.append)
    made: list[int] = []

    def slow() -> Activity:
        for number in range(3):
            made.append(number)
            job.worked += 2
            yield 0, RowBatch(list(range(SLICE)))

    pump.begin(slow())
    counts: list[tuple[int, int]] = []
    while not pump.idle:
        pump.pull()
        counts.append((len(made), len(end.sent)))
    assert (counts, errors) == ([(1, 1), (2, 2), (3, 3), (3, 3)], [])
    pump.close()


def test_a_task_that_works_long_and_gives_little_can_be_cancelled_meanwhile() -> None:
    """A grouped operator whose chain ends in a sink would come to no end of its step before all of its input's."""
    drawing = Drawing()
    source = drawing.source("source", ListSource((tuple(range(30_000)),), batch=8_192))
    key = KeySelection(lambda value: value % 1_000)
    grouped = GroupedSpecification(KeyedProcessSpecification(lambda _value, _ctx: (), key))
    keyed = drawing.vertex("keyed", grouped, CollectSpecification())
    drawing.edge(source, keyed, Partitioning.HASH, key=key.selector)
    job = VirtualJob(drawing)
    task = job.task("keyed")
    operator = next(task.chain.operators)
    assert isinstance(operator, GroupedOperator)
    while not operator.inner.processed:
        assert job.scheduler.step()
    assert operator.inner.processed < 30_000
    task.cancel()
    assert task.state is TaskState.CANCELED
