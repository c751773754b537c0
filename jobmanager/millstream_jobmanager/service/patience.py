"""A leader whose storage is silent gives its office to another one, whose storage may answer: a mount that hangs on one
host is fine on the next. Where there is nobody else it waits, as everything that blocks is waited for.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from millstream_jobmanager.leadership.office import Office
from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.service.carrier import LeadershipLostError
from millstream_jobmanager.service.startup import UnreachableError

T = TypeVar("T")

BEGIN_S: Final = 300.0
"""For reading everything at the start of a term: a thousand jobs in a slow object store take 100 s, and tasks wait 900
for a leader (taskmanager.leader-absence-timeout), so that two may fail.
"""
WRITE_S: Final = 60.0
"""For a write: a record is written in milliseconds, and what an object store's client tries again is over in half a
minute.
"""
_SAY_S: Final = 10.0
"""After which it is said what a term waits for."""
_LOOK_S: Final = 0.1

_log = logging.getLogger("millstream.jobmanager")


class SilentStoreError(UnreachableError):
    """The job store doesn't answer, and somebody else may lead."""


async def begun(office: Office, beginning: Coroutine[Any, Any, T]) -> T:
    """What comes of the beginning of a term, while it is one. LeadershipLostError when the office is over first,
    SilentStoreError when it took too long and there are rivals.
    """
    task = asyncio.create_task(beginning, name="begins to lead")
    started, said = time.monotonic(), False
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=_LOOK_S)
            if office.hold() is Hold.OVER:
                raise LeadershipLostError(office.reason)
            lasted = time.monotonic() - started
            if office.has_rivals and lasted > BEGIN_S:
                raise SilentStoreError(f"the job store has not answered all questions within {BEGIN_S:g} s")
            if lasted > _SAY_S and not said:
                said = True
                _log.warning("this JobManager has won, and waits for the job store since %.0f s", lasted)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
