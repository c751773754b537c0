"""What tasks print, from their TaskManagers to whoever listens: `Output` calls of clients.

While somebody listens to a job, every TaskManager with a session is told so, whether it runs the job or not; the word
goes into the stream before any later deployment, so what is printed from the first record on is heard. What all
listeners have taken is told to the TaskManager, whose tasks wait when they have printed much more than that. So little
is held here; a listener loses text only where tasks print too much at once, never the JobManager its memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from millstream_dataflow.identity import JobId, SessionId, TaskId
from millstream_dataflow.words import counted
from millstream_runtime.messages.session import ListenOutput, OutputTaken, TaskOutput

MAX_HELD = 64 << 20
"""Bytes kept for one listener: windows of 150 tasks."""
_TOLD_AT = 32 << 10
"""Characters of a task that were taken before its TaskManager hears of it: little of a task's window."""

Tell = Callable[[ListenOutput], None]
TellOne = Callable[[SessionId, OutputTaken], None]


class _Receipt:
    """Of one text: who has it still before them."""

    def __init__(self, readers: int, taken: Callable[[], None]) -> None:
        self._readers = readers
        self._taken = taken

    def give(self) -> None:
        """One more has it."""
        self._readers -= 1
        if not self._readers:
            self._taken()


class Listener:
    """One client's share, bounded."""

    def __init__(self, job: JobId) -> None:
        self.job = job
        self._held = deque[tuple[TaskOutput, _Receipt]]()
        self._bytes = 0
        self._dropped = 0
        self._last: TaskId | None = None
        self.arrived = asyncio.Event()
        self.over = False
        """Nothing more comes: the job, or this leader, has ended."""

    def take(self, output: TaskOutput, receipt: _Receipt) -> None:
        """Keep it, or count what is dropped. The receipt is given when it has left."""
        size = len(output.text.encode(errors="replace")) + 100  # what a message is beside its text
        if self._bytes + size > MAX_HELD:
            self._dropped += output.text.count("\n")
            self._last = output.task
            receipt.give()
        else:
            self._notice()
            self._held.append((output, receipt))
            self._bytes += size
        self.arrived.set()

    def next(self) -> TaskOutput | None:
        """The oldest that wasn't given out yet."""
        if not self._held:
            self._notice()
        if not self._held:
            self.arrived.clear()
            return None
        output, receipt = self._held.popleft()
        self._bytes -= len(output.text.encode(errors="replace")) + 100
        receipt.give()
        return output

    def leave(self) -> None:
        """It takes nothing more."""
        while self._held:
            self._held.popleft()[1].give()

    def end(self) -> None:
        """Nothing more comes."""
        self.over = True
        self.arrived.set()

    def _notice(self) -> None:
        if self._last is not None:
            text = f"[{counted(self._dropped, 'line')} of output dropped here, for this client read too slowly]\n"
            note = TaskOutput(self._last, error_stream=True, text=text, dropped=self._dropped)
            self._held.append((note, _Receipt(1, _nothing)))
            self._bytes += len(text) + 100
            self._dropped, self._last = 0, None


class Outputs:
    """Everybody who listens. `tell` speaks to all TaskManagers, `tell_one` to one."""

    def __init__(self, tell: Tell, tell_one: TellOne) -> None:
        self._tell = tell
        self._tell_one = tell_one
        self._untold: dict[TaskId, int] = {}
        self._listeners: dict[JobId, list[Listener]] = {}

    def listen(self, job: JobId) -> Listener:
        """From now on."""
        listener = Listener(job)
        there = self._listeners.setdefault(job, [])
        there.append(listener)
        if len(there) == 1:
            self._tell(ListenOutput(job, listen=True))
        return listener

    def leave(self, listener: Listener) -> None:
        """It listens no more."""
        there = self._listeners[listener.job]
        there.remove(listener)
        listener.leave()
        if not there:
            del self._listeners[listener.job]
            self._untold = {task: count for task, count in self._untold.items() if task.attempt.job != listener.job}
            self._tell(ListenOutput(listener.job, listen=False))

    def registered(self, tell: Tell) -> None:
        """A TaskManager's session stands: it hears what is listened to."""
        for job in self._listeners:
            tell(ListenOutput(job, listen=True))

    def heard(self, session: SessionId, output: TaskOutput) -> None:
        """A task printed."""
        listeners = self._listeners.get(output.task.attempt.job, ())
        receipt = _Receipt(len(listeners), partial(self._taken, session, output.task, len(output.text)))
        for listener in listeners:
            listener.take(output, receipt)

    def _taken(self, session: SessionId, task: TaskId, characters: int) -> None:
        """All who listen have it. A TaskManager hears of many small texts at once."""
        untold = self._untold.pop(task, 0) + characters
        if untold >= _TOLD_AT:
            self._tell_one(session, OutputTaken(task, untold))
        else:
            self._untold[task] = untold

    def job_ended(self, job: JobId) -> None:
        """What its tasks printed came before that, in the same streams."""
        for listener in self._listeners.get(job, ()):
            listener.end()

    def end(self) -> None:
        """This leader ends."""
        for job in self._listeners:
            self.job_ended(job)


def _nothing() -> None:
    """Nobody waits for what isn't a task's own."""
