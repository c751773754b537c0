"""What a job's tasks print, written to the program's own stdout and stderr."""

import sys
import threading
from functools import partial
from typing import Final

import grpc

from millstream.submission.gateway import Gateway
from millstream.submission.waiting import WaitingRoom
from millstream_dataflow.identity import JobId

_LISTENING_S: Final = 30.0
"""For listening to begin and to end; both take milliseconds, so more means that nobody is there."""


class TaskOutputReader:
    """Listens to one job, from before its first record to its end."""

    def __init__(self, gateway: Gateway, job: JobId, room: WaitingRoom) -> None:
        self._room = room
        self._begun = threading.Event()
        self._stream = gateway.output(job)
        self._thread = threading.Thread(target=self._read, name=f"output of {job[:8]}", daemon=True)

    def start(self) -> None:
        """Returns when the cluster listens, so that nothing which is printed from now on is missed."""
        self._thread.start()
        self._begun.wait(_LISTENING_S)

    def finish(self) -> None:
        """The job has ended: returns when all that was printed is heard."""
        self._thread.join(_LISTENING_S)
        self.cancel()

    def cancel(self) -> None:
        """Listen no more."""
        self._stream.cancel()

    def _read(self) -> None:
        try:
            self._stream.initial_metadata()
            self._begun.set()
            for said in self._stream:
                self._room.say(partial(write, said.text, error_stream=said.error_stream))
        except (grpc.RpcError, ValueError):
            return  # the cluster is gone, which whoever waits for the job learns from its details
        finally:
            self._begun.set()


def write(text: str, *, error_stream: bool) -> None:
    """To the stream of that kind that the program has now: pytest and notebooks put their own in its place."""
    stream = sys.stderr if error_stream else sys.stdout
    stream.write(text)
    stream.flush()
