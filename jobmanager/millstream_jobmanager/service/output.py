"""What tasks print, from their TaskManagers to whoever listens: `Output` calls of clients.

While somebody listens to a job, every TaskManager with a session is told so, whether it runs the job or not; the word
goes into the stream before any later deployment, so what is printed from the first record on is heard. A listener that
reads too slowly loses text, never the JobManager its memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from millstream_dataflow.identity import JobId, TaskId
from millstream_runtime.messages.session import ListenOutput, TaskOutput

MAX_HELD = 16 << 20
"""Bytes kept for one listener; a terminal shows less in a minute."""

Tell = Callable[[ListenOutput], None]


class Listener:
    """One client's share, bounded."""

    def __init__(self, job: JobId) -> None:
        self.job = job
        self._held = deque[TaskOutput]()
        self._bytes = 0
        self._dropped = 0
        self._last: TaskId | None = None
        self.arrived = asyncio.Event()
        self.over = False
        """Nothing more comes: the job, or this leader, has ended."""

    def take(self, output: TaskOutput) -> None:
        """Keep it, or count what is dropped."""
        size = len(output.text.encode(errors="replace")) + 100  # what a message is beside its text
        if self._bytes + size > MAX_HELD:
            self._dropped += output.text.count("\n")
            self._last = output.task
        else:
            self._notice()
            self._held.append(output)
            self._bytes += size
        self.arrived.set()

    def next(self) -> TaskOutput | None:
        """The oldest that wasn't given out yet."""
        if not self._held:
            self._notice()
        if not self._held:
            self.arrived.clear()
            return None
        output = self._held.popleft()
        self._bytes -= len(output.text.encode(errors="replace")) + 100
        return output

    def end(self) -> None:
        """Nothing more comes."""
        self.over = True
        self.arrived.set()

    def _notice(self) -> None:
        if self._last is not None:
            text = f"[{self._dropped:,} lines of output were dropped here, for this client read too slowly]\n"
            self._held.append(TaskOutput(self._last, error_stream=True, text=text))
            self._bytes += len(text) + 100
            self._dropped, self._last = 0, None


class Outputs:
    """Everybody who listens. `tell` speaks to all TaskManagers."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
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
        if not there:
            del self._listeners[listener.job]
            self._tell(ListenOutput(listener.job, listen=False))

    def registered(self, tell: Tell) -> None:
        """A TaskManager's session stands: it hears what is listened to."""
        for job in self._listeners:
            tell(ListenOutput(job, listen=True))

    def heard(self, output: TaskOutput) -> None:
        """A task printed."""
        for listener in self._listeners.get(output.task.attempt.job, ()):
            listener.take(output)

    def job_ended(self, job: JobId) -> None:
        """What its tasks printed came before that, in the same streams."""
        for listener in self._listeners.get(job, ()):
            listener.end()

    def end(self) -> None:
        """This leader ends."""
        for job in self._listeners:
            self.job_ended(job)
