"""An activity that rests until something has happened outside: its task does nothing else, and nothing in vain."""

from collections.abc import Iterator
from dataclasses import dataclass

from millstream_dataflow.identity import OperatorId
from millstream_dataflow.records import Batch, RowBatch, StreamStatus, Watermark
from millstream_taskmanager.operators.base import Operator, Output, Takes
from millstream_taskmanager.operators.chain import Chain, Emission, Link, Member, Outlet
from millstream_taskmanager.operators.waiting import Rest
from millstream_taskmanager.task.pump import Pump
from millstream_taskmanager.task.timers import OperatorTimers
from tests.support.tasks import Drawing, ListSource, VirtualDoors, VirtualJob


@dataclass
class News:
    """Whether something has happened."""

    there: bool = False


class Waiting(Operator):
    """Gives a batch when there is news, and lets its events wait as long."""

    takes = Takes.EITHER
    makes_watermarks = True

    def __init__(self, news: News) -> None:
        self.news = news
        self.events: list[Watermark | StreamStatus] = []

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        while not self.news.there:
            yield Rest(lambda: self.news.there)
        yield batch
        yield from self.events

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        self.events.append(watermark)
        return iter(())

    def status(self, status: StreamStatus) -> Iterator[Output]:
        self.events.append(status)
        return iter(())


def chained(news: News) -> Chain:
    link = Link(Waiting(news), "Waiting")
    link.feed(Outlet(0, rows_only=True))
    return Chain([Member(OperatorId("waiting"), "Waiting", link)])


def test_a_rest_comes_through_the_chain_and_events_are_the_operators_own() -> None:
    news = News()
    chain = chained(news)
    assert list(chain.event(Watermark(5))) == []
    assert list(chain.event(StreamStatus(idle=True))) == []
    given: Iterator[Emission] = chain.process(0, RowBatch([1]))
    index, rest = next(given)
    assert (index, isinstance(rest, Rest)) == (-1, True)
    news.there = True
    assert list(given) == [(0, RowBatch([1])), (0, Watermark(5)), (0, StreamStatus(idle=True))]


def test_the_pump_waits_until_it_is_over() -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    job = VirtualJob(drawing)
    pump = Pump(job.task("source").outputs, VirtualDoors(job), lambda _error: None)
    news = News()
    pulled: list[str] = []

    def activity() -> Iterator[Emission]:
        pulled.append("begun")
        yield -1, Rest(lambda: news.there)
        pulled.append("gone on")
        yield 0, Watermark(1)

    pump.begin(activity())
    assert pump.ready
    pump.pull()
    assert (pump.idle, pump.ready) == (False, False)
    news.there = True
    assert pump.ready
    pump.pull()
    assert (pump.idle, pulled) == (True, ["begun", "gone on"])


def test_who_asks_to_go_on_is_called_whatever_the_time() -> None:
    drawing = Drawing()
    drawing.edge(drawing.source("source", ListSource(())), drawing.collect("out"))
    timers = OperatorTimers(VirtualDoors(VirtualJob(drawing, now=100)))
    timers.call_at(500, OperatorId("patient"))
    assert not timers.ready
    timers.resume(OperatorId("eager"))
    timers.resume(OperatorId("eager"))
    assert timers.ready
    assert timers.due(100) == ["eager"]
    assert not timers.ready
    timers.resume(OperatorId("patient"))
    assert timers.due(600) == ["patient"]
    timers.resume(OperatorId("eager"))
    timers.close()
    assert not timers.ready
    assert timers.due(600) == []
