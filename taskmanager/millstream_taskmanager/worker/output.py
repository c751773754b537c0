"""Who prints: the standard streams of a worker, which know whose step runs.

What a step prints goes into its task's own files, and to whoever listens to the job. What no task prints (C code, which
writes to the descriptors 1 and 2 itself; threads and processes that user code has started) goes to the TaskManager's
process.

Whoever listens says how much it has taken. A task that has printed a window more than that makes no steps until there
is room again, so lines are lost only where one step prints more than `GATHERED_LIMIT`, or where nothing is taken for
so long that the listener must be gone: a job never stands still for that. What is lost is counted, and said.
"""

import io
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TextIO, cast

from millstream_dataflow.words import counted
from millstream_runtime.messages.session import TaskOutput
from millstream_taskmanager.worker.task_log import TaskLog

MESSAGE_CHARACTERS: Final = 32 << 10
"""Of one message: at most 128 KiB in UTF-8, half of what a session's message may be (law 3.3)."""

WINDOW: Final = 256 << 10
"""Characters that a task may have printed before the listener took them: 10 ms of it at 25 MB/s."""

GATHERED_LIMIT: Final = 16 << 20
"""Characters that wait in the worker, far more than a step prints. What comes beyond isn't sent; the task's files have
the last of it.
"""

PATIENCE_MS: Final = 60_000
"""A listener that takes nothing for so long is taken for gone. Its job goes on, and it hears how much it has missed."""

_Stream = tuple[TaskLog, bool]


COROUTINE_OF: ContextVar[TaskLog | None] = ContextVar("COROUTINE_OF", default=None)
"""Whose coroutine it is, in its context: coroutines of several tasks take turns, and go on in threads (`to_thread`)."""


class _Speaker(threading.local):
    """Whose code runs in a thread."""

    log: TaskLog | None = None


class TaskOutputs:
    """What tasks print, on its way to its files and to whoever listens."""

    def __init__(self) -> None:
        self._speaker = _Speaker()
        self._lock = threading.Lock()
        self._gathered: dict[_Stream, list[str]] = {}
        self._characters = 0
        self._lost: dict[TaskLog, int] = {}
        self._untaken: dict[TaskLog, int] = {}
        self._full = set[TaskLog]()
        self._full_since: int | None = None
        self._given_up = False
        self._listening = False

    # --------------------------------------------------------------------------------------------- who prints

    def speaks(self, log: TaskLog | None) -> None:
        """From now on this task's code runs in this thread."""
        self._speaker.log = log

    @contextmanager
    def speaking(self, log: TaskLog) -> Generator[None]:
        """Within the block this task's code runs in this thread."""
        before = self._speaker.log
        self._speaker.log = log
        try:
            yield
        finally:
            self._speaker.log = before

    def streams(self) -> tuple[TextIO, TextIO]:
        """What stands for `sys.stdout` and `sys.stderr`."""
        out, err = _TaggedStream(self, error=False), _TaggedStream(self, error=True)
        return cast(TextIO, out), cast(TextIO, err)

    def print(self, text: str, *, error: bool) -> None:
        """Printed by the code that runs in this thread."""
        log = COROUTINE_OF.get() or self._speaker.log
        if log is None:
            _to_process(text, error=error)
        else:
            self.write(log, text, error=error)

    def write(self, log: TaskLog, text: str, *, error: bool) -> None:
        """Printed by a task."""
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which no message can carry
            data = text.encode(errors="backslashreplace")
            text = data.decode()
        with self._lock:
            (log.err if error else log.out).write(data)
            if self._listening:
                self._gather(log, text, error=error)

    def become_silent(self) -> None:
        """In a child that user code has forked: nothing that it prints goes through files or locks of the tasks."""
        self._speaker.log = None
        COROUTINE_OF.set(None)

    # --------------------------------------------------------------------------------------------- who listens

    def listen(self, *, listening: bool) -> None:
        """Somebody wants it from now on, or nobody does any more. What is under way is none of a new listener's."""
        with self._lock:
            self._listening = listening
            self._given_up = False
            self._free()

    def interrupt(self) -> None:
        """The way to the listener is cut: nothing is kept for it until it listens again."""
        with self._lock:
            self._given_up = self._listening
            self._free()

    def taken(self, log: TaskLog, characters: int) -> None:
        """The listener has so many more of this task."""
        with self._lock:
            self._given_up = False
            self._full_since = None
            left = self._untaken[log] = max(0, self._untaken.get(log, 0) - characters)
            if left <= WINDOW:
                self._full.discard(log)

    def is_full(self, log: TaskLog) -> bool:
        """Whether the task must wait until more of what it has printed is taken."""
        return log in self._full

    def lose_patience(self, now: int) -> bool:
        """Asked now and then, at monotonic milliseconds: whether tasks that waited go on, for nothing is taken."""
        with self._lock:
            if not self._full:
                self._full_since = None
            elif self._full_since is None:
                self._full_since = now
            elif now - self._full_since >= PATIENCE_MS:
                self._given_up = True
                self._free()
                return True
        return False

    def _free(self) -> None:
        self._untaken.clear()
        self._full.clear()
        self._full_since = None

    def _gather(self, log: TaskLog, text: str, *, error: bool) -> None:
        if self._given_up or self._characters >= GATHERED_LIMIT:
            self._lost[log] = self._lost.get(log, 0) + text.count("\n")
            return
        self._characters += len(text)
        self._gathered.setdefault((log, error), []).append(text)
        untaken = self._untaken[log] = self._untaken.get(log, 0) + len(text)
        if untaken > WINDOW:
            self._full.add(log)

    @property
    def gathered(self) -> int:
        """Characters that wait to be taken."""
        return self._characters

    def take(self) -> list[TaskOutput]:
        """What has come since the last time, as messages."""
        if not self._gathered and not self._lost:
            return []
        with self._lock:
            gathered, self._gathered = self._gathered, {}
            lost, self._lost, self._characters = self._lost, {}, 0
        messages = [
            TaskOutput(log.task, error, text)
            for (log, error), parts in gathered.items()
            for text in _cut("".join(parts))
        ]
        for log, lines in lost.items():
            note = f"[{counted(lines, 'line')} missing here: printed faster than taken]\n"
            messages.append(TaskOutput(log.task, error_stream=True, text=note, dropped=lines))
        return messages


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, stream: "_TaggedStream") -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]  # any buffer will do
        self._stream.write(bytes(data).decode(errors="replace"))
        return len(data)


class _TaggedStream(io.TextIOBase):
    def __init__(self, outputs: TaskOutputs, *, error: bool) -> None:
        self._outputs = outputs
        self._error = error
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it never changes
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # as above
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For who hands it to a child process."""
        return 2 if self._error else 1

    def write(self, text: object, /) -> int:  # whatever user code gives to it
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._outputs.print(text, error=self._error)
        return len(text)

    def close(self) -> None:
        """Not by user code: others print as well."""


def install(outputs: TaskOutputs) -> Callable[[], None]:
    """Put the tagged streams in the place of the process's own. Gives what puts them back."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = outputs.streams()

    def restore() -> None:
        sys.stdout, sys.stderr = before

    return restore


def _cut(text: str) -> Iterator[str]:
    """Behind the last line that fits; a line that is longer by itself comes in pieces."""
    start = 0
    while start < len(text):
        end = start + MESSAGE_CHARACTERS
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        yield text[start:end]
        start = end


def _to_process(text: str, *, error: bool) -> None:
    data = memoryview(text.encode(errors="backslashreplace"))
    while data:
        data = data[os.write(2 if error else 1, data) :]
