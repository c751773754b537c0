"""A leader whose loop stands still gives its office up: by a fault of ours that computes for minutes, or whatever else.

It renews no lease then, so it decides nothing; but kazoo's thread goes on keeping the session, and with it the node for
which all others wait. So a thread looks whether the loop has seen to the end of its office.
"""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from millstream_jobmanager.leadership.office import Office

GRACE_S: Final = 1.0
"""Behind the end of a lease: a loop that runs has left its office long before."""

_log = logging.getLogger("millstream.jobmanager")


@contextmanager
def watched_over(office: Office) -> Generator[None]:
    """Meanwhile."""
    if not office.has_rivals:
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(office, over), name="millstream-standstill", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(office: Office, over: threading.Event) -> None:
    while not over.wait(max(0.0, office.lasts()) + GRACE_S):
        if office.lasts() <= -GRACE_S:
            if not office.reason:
                _log.critical("this JobManager stands still, and its lease is over: another one may have its office")
            office.abandon()
            return
