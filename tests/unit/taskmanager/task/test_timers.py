"""Calls at a time that move, and those of several operators."""

from millstream_dataflow.identity import OperatorId
from millstream_taskmanager.task.timers import Alarm, OperatorTimers
from millstream_taskmanager.worker.scheduler import Scheduler

A, B = OperatorId("a"), OperatorId("b")


class Doors(Scheduler):
    """Counts how often the task was woken."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def wake(self, task: object = None) -> None:
        self.woken += 1


def test_an_alarm_rings_once_at_its_last_time() -> None:
    doors = Doors()
    rung: list[bool] = []
    alarm = Alarm(doors, lambda: rung.append(True))
    for time in (50, 20, 20, 30):
        alarm.set(time)
    doors.run_timers(29)
    assert not rung
    doors.run_timers(100)
    assert rung == [True]
    alarm.set(30)
    alarm.set(None)
    doors.run_timers(100)
    assert rung == [True]


def test_operators_have_their_own_times() -> None:
    doors = Doors()
    timers = OperatorTimers(doors)
    timers.call_at(20, A)
    timers.call_at(10, B)
    timers.call_at(40, A)  # the earlier one counts
    doors.run_timers(9)
    assert not timers.ready
    doors.run_timers(10)
    assert (timers.ready, doors.woken) == (True, 1)
    assert timers.due(10) == [B]
    assert not timers.ready
    doors.run_timers(25)
    assert timers.due(25) == [A]
    timers.call_at(30, A)
    timers.close()
    doors.run_timers(99)
    assert (timers.ready, doors.woken) == (False, 2)
