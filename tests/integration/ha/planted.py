"""`millstream` with stops planted into a JobManager: `python planted.py STOPS jobmanager ...`.

While `STOPS/<step>` exists, the JobManager's process stops itself (SIGSTOP) when a checkpoint's completion has come to
that step, as if it had been hit there. Steps: `metadata` (it is written), `pointer` (it is stored), `first` (one
TaskManager was told, and the others' messages wait), `all` (all were), `adopting` (the first TaskManager has registered
with a leader that adopts). `STOPS/told` names whom those were told who stopped at `first` or `all`, a line each.

While `STOPS/still-<pid>` exists that process's loop stands still, and its other threads go on.

A process that is woken up (SIGCONT) goes on from there. While `STOPS/deluded` exists it believes that it leads,
whatever its clock and ZooKeeper say, and refuses no TaskManager: what protects the others then is their own. While
`STOPS/waiting` exists nobody's write of a record begins, but that of a deluded one.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from millstream.cli.entry import main
from millstream_dataflow.identity import SessionId
from millstream_jobmanager.core.commands import WriteMetadata
from millstream_jobmanager.core.events import Event
from millstream_jobmanager.leadership.tenure import Hold, Tenure
from millstream_jobmanager.service import carrier, outbox, sessions, shell
from millstream_jobmanager.store import JobStore
from millstream_proto.session_pb2 import JobManagerMessage
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import Register

STOPS = Path(sys.argv[1])
_LOOK_S = 0.01
_SENT_S = 0.1  # what was written goes through gRPC and the door of this very process


_woken = threading.Event()


def stop_at(step: str) -> None:
    """Stops here: whoever planted it kills the process, or wakes it up."""
    if (STOPS / step).exists():
        os.kill(os.getpid(), signal.SIGSTOP)
        _woken.wait()  # another thread may get the signal; this one must not pass meanwhile


def is_deluded() -> bool:
    """It was stopped and woken up, and nothing tells it that its time is over."""
    return _woken.is_set() and (STOPS / "deluded").exists()


def plant_into(owner: object, name: str, function: object) -> None:
    """In the place of its own."""
    setattr(owner, name, function)


class Told:
    """Whom a completion was told, checkpoint by checkpoint: TaskManagers, one stream each."""

    def __init__(self) -> None:
        self._streams = 0
        self._told: dict[int, set[str]] = {}
        self._only: dict[int, str] = {}
        """Who alone hears of it, settled by its first message; empty for everybody."""

    @contextmanager
    def one_more(self) -> Generator[None]:
        """A stream, for as long as it stands."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def tell(self, message: JobManagerMessage, send: Callable[[JobManagerMessage], Awaitable[None]]) -> None:
        """To the message's TaskManager. Where the process is to stop behind the first, nobody else is told after it."""
        checkpoint, who = message.checkpoint_completed.checkpoint, message.session.taskmanager
        only = self._only.setdefault(checkpoint, who if (STOPS / "first").exists() else "")
        if only not in {"", who}:
            await asyncio.Event().wait()  # the process stops in a moment, and is killed
        await send(message)
        told = self._told.setdefault(checkpoint, set())
        told.add(who)
        step = "first" if only else "all"
        if (STOPS / step).exists() and (only or len(told) == self._streams):
            await asyncio.sleep(_SENT_S)
            (STOPS / "told").write_text("\n".join(told), encoding="utf-8")
            stop_at(step)


def plant() -> None:
    """Into the functions that do these steps."""
    write, store, run = carrier._write_metadata, carrier._store_record, outbox.Outbox.run

    def written(command: WriteMetadata) -> Event:
        event = write(command)
        stop_at("metadata")
        return event

    def stored(kept: JobStore, record: JobRecord) -> Event:
        while (STOPS / "waiting").exists() and not is_deluded():
            time.sleep(_LOOK_S)
        event = store(kept, record)
        if record.checkpoints:
            stop_at("pointer")
        return event

    told = Told()

    async def running(self: outbox.Outbox, send: Callable[[JobManagerMessage], Awaitable[None]]) -> None:
        async def sending(message: JobManagerMessage) -> None:
            if message.WhichOneof("body") == "checkpoint_completed":
                await told.tell(message, send)
            else:
                await send(message)

        with told.one_more():
            await run(self, sending)

    plant_into(carrier, "_write_metadata", written)
    plant_into(carrier, "_store_record", stored)
    plant_into(outbox.Outbox, "run", running)
    opened = sessions.OpenSessions.open

    def opening(self: sessions.OpenSessions, session: SessionId, box: outbox.Outbox) -> bool:
        result = opened(self, session, box)
        stop_at("adopting")
        return result

    plant_into(sessions.OpenSessions, "open", opening)


def plant_standstill() -> None:
    """Into what the loop does again and again."""
    beat = shell.Shell._beat

    def beating(self: shell.Shell) -> None:
        while (STOPS / f"still-{os.getpid()}").exists():
            time.sleep(_LOOK_S)
        beat(self)

    plant_into(shell.Shell, "_beat", beating)


def plant_delusion() -> None:
    """Into the questions whether it leads, and whom."""
    hold, refusal = Tenure.hold, sessions.TaskManagerGateway._refusal

    def holding(self: Tenure, now: int) -> Hold:
        return Hold.HOLDS if is_deluded() else hold(self, now)

    def refusing(self: sessions.TaskManagerGateway, registration: Register) -> str | None:
        return None if is_deluded() else refusal(self, registration)

    plant_into(Tenure, "hold", holding)
    plant_into(sessions.TaskManagerGateway, "_refusal", refusing)
    signal.signal(signal.SIGCONT, lambda *_: _woken.set())


if __name__ == "__main__":
    plant()
    plant_standstill()
    plant_delusion()
    sys.argv[0:2] = ["millstream"]
    main()
