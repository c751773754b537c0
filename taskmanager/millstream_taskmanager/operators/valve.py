"""One watermark and one status out of many (law 7.3). Pure; the rules are Flink's StatusWatermarkValve, with two
changes.

The watermark of a confluence is the minimum over its members that count, and never falls. A member that is idle
doesn't count; when all are, the confluence is idle and its watermark stands (Flink moves it to the highest: then what
wakes first is late). A member that comes back from idleness with a lower watermark doesn't count until it has caught
up.

A member at the end of time has ended, and has no say while others go on: the confluence ends with the last of them. (In
Flink it ends at once where those are idle, or have not caught up: all that they still bring is late then.)

The same rules hold three times: channels meet in an input, inputs in a task, and splits in a source.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME, StreamStatus, Watermark

MemberT = TypeVar("MemberT", bound=Hashable)
Change = Watermark | StreamStatus


@dataclass(slots=True)
class _Member:
    time: int = MIN_TIME
    idle: bool = False
    behind: bool = False
    """It came back lower than the confluence, and hasn't caught up yet."""

    @property
    def counts(self) -> bool:
        return not self.idle and not self.behind


class Confluence(Generic[MemberT]):
    """Watermarks and statuses of several members as those of one. What changed is returned, in the order to tell it."""

    def __init__(self, members: Iterable[MemberT] = (), *, time: int = MIN_TIME) -> None:
        """`time` is the restored watermark: members begin below it, and count all the same (law 7.1)."""
        self._members = {member: _Member() for member in members}
        self._time = time
        self._idle = False

    @property
    def time(self) -> int:
        """The watermark."""
        return self._time

    @property
    def idle(self) -> bool:
        """Whether members go on, and none of them is active."""
        return self._idle

    def join(self, member: MemberT, time: int = MIN_TIME) -> list[Change]:
        """A new member, active at its own watermark, which holds the confluence back."""
        self._members[member] = _Member(time)
        return self._settled()

    def leave(self, member: MemberT) -> list[Change]:
        """The member has nothing to say any more. The last one leaves everything as it is."""
        del self._members[member]
        return self._settled() if self._members else []

    def advance(self, member: MemberT, time: int) -> list[Change]:
        """The member's watermark; a lower one than before is ignored. An idle member stays idle."""
        one = self._members[member]
        one.time = max(one.time, time)
        if one.behind and one.time >= self._time:
            one.behind = False
        return self._settled()

    def status(self, member: MemberT, *, idle: bool) -> list[Change]:
        """The member falls idle, or comes back."""
        one = self._members[member]
        if one.idle and not idle:
            one.behind = one.time < self._time
        one.idle = idle
        return self._settled()

    def _settled(self) -> list[Change]:
        changes: list[Change] = []
        going_on = [member for member in self._members.values() if member.time < MAX_TIME]
        idle = bool(going_on) and all(member.idle for member in going_on)
        if idle is not self._idle:
            self._idle = idle
            changes.append(StreamStatus(idle))
        times = [member.time for member in going_on if member.counts] if going_on else [MAX_TIME]
        if times and (lowest := min(times)) > self._time:
            self._time = lowest
            changes.append(Watermark(lowest))
        return changes


class Valve:
    """The watermark and status of a task: channels meet in inputs, inputs in the task.

    An input's own watermark can be asked for, since an operator of two inputs may judge each by its own.
    """

    def __init__(self, inputs: Sequence[int], *, time: int = MIN_TIME) -> None:
        """`inputs` gives each channel's input; `time` is the restored watermark."""
        self._input_of = tuple(inputs)
        numbers = dict.fromkeys(inputs)
        self._inputs = {
            number: Confluence([channel for channel, its in enumerate(inputs) if its == number], time=time)
            for number in numbers
        }
        self._task = Confluence(numbers, time=time)

    @property
    def time(self) -> int:
        """The task's watermark."""
        return self._task.time

    @property
    def idle(self) -> bool:
        """Whether all channels are idle."""
        return self._task.idle

    def input_time(self, number: int) -> int:
        """The watermark of one input."""
        return self._inputs[number].time

    def watermark(self, channel: int, watermark: Watermark) -> list[Change]:
        """A channel's watermark; gives what changes for the task."""
        number = self._input_of[channel]
        return self._passed_on(number, self._inputs[number].advance(channel, watermark.time))

    def status(self, channel: int, status: StreamStatus) -> list[Change]:
        """A channel's status; gives what changes for the task."""
        number = self._input_of[channel]
        return self._passed_on(number, self._inputs[number].status(channel, idle=status.idle))

    def _passed_on(self, number: int, changes: Iterable[Change]) -> list[Change]:
        told: list[Change] = []
        for change in changes:
            if isinstance(change, Watermark):
                told += self._task.advance(number, change.time)
            else:
                told += self._task.status(number, idle=change.idle)
        return told
