"""Whose step is next: downstream first, in turn among equals; timers by the time that is told."""

from millstream_taskmanager.worker.scheduler import Scheduler


class Work:
    """So many steps, each of which may wake another."""

    background = False
    urgent = False

    def __init__(self, name: str, steps: int, log: list[str]) -> None:
        self.name = name
        self.left = steps
        self.log = log
        self.wakes: Work | None = None
        self.scheduler: Scheduler | None = None

    @property
    def runnable(self) -> bool:
        return self.left > 0

    def step(self) -> None:
        self.left -= 1
        self.log.append(self.name)
        if self.wakes is not None and self.scheduler is not None:
            self.wakes.left += 1
            self.scheduler.wake(self.wakes)


def test_downstream_first() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    source, sink = Work("source", 3, log), Work("sink", 0, log)
    source.wakes, source.scheduler = sink, scheduler
    scheduler.add(source, 0)
    scheduler.add(sink, 1)
    assert scheduler.run_until_idle() == 6
    assert log == ["source", "sink"] * 3


def test_equals_take_turns() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    for name in "ab":
        scheduler.add(Work(name, 2, log), 0)
    scheduler.run_until_idle()
    assert log == ["a", "b", "a", "b"]


def test_what_may_wait_takes_turns_with_all_the_rest() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    patient, sink, source = Work("patient", 4, log), Work("sink", 1, log), Work("source", 2, log)
    patient.background = True
    for work, rank in ((patient, 9), (sink, 5), (source, 0)):
        scheduler.add(work, rank)
    assert scheduler.run_until_idle() == 7
    assert log == ["sink", "patient", "source", "patient", "source", "patient", "patient"]


def test_what_may_wait_is_not_done_twice_when_it_is_woken_for_more() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    patient, source = Work("patient", 1, log), Work("source", 2, log)
    patient.background = True
    scheduler.add(patient, 9)
    scheduler.add(source, 0)
    scheduler.step()
    patient.background = False
    scheduler.wake(patient)
    assert scheduler.run_until_idle() == 2
    assert log == ["source", "patient", "source"]


def test_woken_for_nothing_costs_no_step() -> None:
    scheduler = Scheduler()
    work = Work("a", 0, [])
    scheduler.add(work, 0)
    for _ in range(5):
        scheduler.wake(work)
    assert not scheduler.step()
    work.left = 1
    scheduler.wake(work)
    assert scheduler.step()


def test_timers_in_the_order_of_their_times() -> None:
    scheduler = Scheduler()
    log: list[str] = []
    scheduler.call_at(30, lambda: log.append("c"))
    scheduler.call_at(10, lambda: log.append("a"))
    gone = scheduler.call_at(5, lambda: log.append("never"))
    scheduler.call_at(10, lambda: log.append("b"))
    gone.cancel()
    assert scheduler.next_timer() == 10
    scheduler.run_timers(9)
    assert log == []
    scheduler.run_timers(10)
    assert log == ["a", "b"]
    scheduler.run_timers(99)
    assert log == ["a", "b", "c"]
    assert scheduler.next_timer() is None


def test_a_timer_may_ask_for_another() -> None:
    scheduler = Scheduler()
    log: list[int] = []

    def again() -> None:
        log.append(len(log))
        scheduler.call_at(len(log) * 10, again)

    scheduler.call_at(0, again)
    scheduler.run_timers(25)
    assert log == [0, 1, 2]
    assert scheduler.next_timer() == 30


def test_who_has_nothing_to_do_belongs_to_no_round() -> None:
    """Else a source that waits would stop the clocks of idleness while a task downstream is busy without a pause."""
    log: list[str] = []
    scheduler = Scheduler()
    source, busy = Work("source", 1, log), Work("busy", 0, log)
    scheduler.add(source, 0)
    scheduler.add(busy, 1)
    assert scheduler.step()
    assert log == ["source"]
    busy.left = 3
    scheduler.wake(busy)
    rounds = [scheduler.rounds]
    while scheduler.step():
        rounds.append(scheduler.rounds)
    assert log == ["source", "busy", "busy", "busy"]
    assert rounds == list(range(rounds[0], rounds[0] + 4))


def test_a_task_that_others_wait_for_comes_before_those_downstream() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    source, sink = Work("source", 2, log), Work("sink", 3, log)
    scheduler.add(source, 0)
    scheduler.add(sink, 1)
    scheduler.step()
    source.urgent = True
    scheduler.wake(source)
    scheduler.step()
    source.urgent = False
    scheduler.run_until_idle()
    assert log == ["sink", "source", "sink", "sink", "source"]


def test_nobody_waits_for_ever_behind_a_task_that_others_feed() -> None:
    """Those downstream come first for a while; then who has waited gets a part, until he comes to his turn."""
    log: list[str] = []
    scheduler = Scheduler()
    sources = [Work(name, 1_000, log) for name in ("one", "other")]
    busy = Work("busy", 1_000, log)
    for source in sources:
        scheduler.add(source, 0)
    scheduler.add(busy, 1)
    for _ in range(300):
        scheduler.step()
    assert set(log[:64]) == {"busy"}
    assert log[100:].count("one") == log[100:].count("other") == 25
    assert log[100:].count("busy") == 150
    busy.left = 0
    scheduler.step()
    scheduler.step()
    busy.left = 1_000
    scheduler.wake(busy)
    log.clear()
    for _ in range(60):
        scheduler.step()
    assert log == ["busy"] * 60, "as at the beginning"


def test_who_waits_without_anything_to_do_gets_no_turn() -> None:
    log: list[str] = []
    scheduler = Scheduler()
    idle, busy = Work("idle", 0, log), Work("busy", 200, log)
    scheduler.add(idle, 0)
    scheduler.add(busy, 1)
    assert scheduler.run_until_idle() == 200
    assert log == ["busy"] * 200
