"""What a job's tasks print, written to the program's own stdout and stderr."""

import threading
from functools import partial
from typing import Final

from millstream.submission.gateway import Gateway
from millstream.submission.program_streams import ProgramStreams
from millstream.submission.quiet import grpc
from millstream.submission.waiting import WaitingRoom
from millstream_dataflow.identity import JobId, TaskId
from millstream_dataflow.words import counted
from millstream_runtime.messages.codec import from_message
from millstream_runtime.messages.session import TaskOutput

_LISTENING_S: Final = 30.0
"""For listening to begin and to end; both take milliseconds, so more means that nobody is there."""

_LOSS: Final = (
    "WARNING: {lines} of output of job {job} missing here: printed faster than taken. "
    "While the cluster runs, the tasks' own .out and .err files have the last of them.\n"
)


class TaskOutputReader:
    """Listens to one job, from before its first record to its end."""

    def __init__(self, gateway: Gateway, job: JobId, room: WaitingRoom) -> None:
        self._room = room
        self._job = job
        self._begun = threading.Event()
        self._lines = Lines()
        self._heard = 0
        self._dropped = 0
        self._is_writing = False
        self._program = ProgramStreams()
        self._stream = gateway.output(job)
        self._thread = threading.Thread(target=self._read, name=f"output of {job[:8]}", daemon=True)

    def start(self) -> None:
        """Returns when the cluster listens, so that nothing which is printed from now on is missed."""
        self._thread.start()
        self._begun.wait(_LISTENING_S)

    def finish(self) -> None:
        """The job has ended: returns when all that was printed is heard, however slowly our own stdout takes it."""
        heard = -1
        while self._thread.is_alive() and (self._is_writing or heard < self._heard):
            heard = self._heard
            self._thread.join(_LISTENING_S)
        self.cancel()

    def cancel(self) -> None:
        """Listen no more."""
        self._stream.cancel()

    def _read(self) -> None:
        try:
            self._stream.initial_metadata()
            self._begun.set()
            for message in self._stream:
                said = from_message(TaskOutput, message)
                self._heard += 1
                self._dropped += said.dropped
                self._write(self._lines.whole(said), error_stream=said.error_stream)
        except (grpc.RpcError, ValueError):
            return  # the cluster is gone, which whoever waits for the job learns from its details
        finally:
            self._begun.set()
            for error_stream, text in self._lines.rest():
                self._write(text, error_stream=error_stream)
            if self._dropped:
                self._write(_LOSS.format(lines=counted(self._dropped, "line"), job=self._job), error_stream=True)

    def _write(self, text: str, *, error_stream: bool) -> None:
        if text:
            self._is_writing = True
            self._room.say(partial(self._program.write, text, error_stream=error_stream))
            self._is_writing = False


class Lines:
    """Puts lines together that come in pieces: those of other tasks would stand between."""

    def __init__(self) -> None:
        self._begun: dict[tuple[TaskId, bool], list[str]] = {}

    def whole(self, said: TaskOutput) -> str:
        """What there is of it in whole lines."""
        place = said.task, said.error_stream
        whole = ""
        if end := said.text.rfind("\n") + 1:
            whole = "".join([*self._begun.pop(place, ()), said.text[:end]])
        if end < len(said.text):
            self._begun.setdefault(place, []).append(said.text[end:])
        return whole

    def rest(self) -> list[tuple[bool, str]]:
        """Lines that nobody has ended, and to which stream they belong."""
        return [(error_stream, "".join(pieces)) for (_, error_stream), pieces in self._begun.items()]
