"""What each container of the application's pods does, by the index of its pod.

    roles.py process                   pod 0: the JobManager; others: a TaskManager
    roles.py program SCRIPT [ARG]...   pod 0: the program, to its end; others: nothing, until the Job has ended

A program is started once, though its container may be started again (its node is lost, its pod evicted): jobs that were
submitted run on, since the JobManager recovers them, so they are followed to their end instead. That suits programs
which submit one job. The store of this Job is its own (its path holds the Job's uid), so whatever is listed there is
this program's.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

MILLSTREAM = "millstream"
INDEX = "JOB_COMPLETION_INDEX"
PAUSES_S = (0.1, 5.0)
"""Between two looks at a job that is followed: the first, which doubles, and the longest."""
FINAL = {"FINISHED", "CANCELED", "FAILED"}
TERMINATED = 128 + signal.SIGTERM
"""Neither success, which would be the end of this index, nor a failure of the program."""


def process() -> None:
    """Become the process of the cluster that belongs into this pod."""
    role = "jobmanager" if is_first() else "taskmanager"
    os.execvp(MILLSTREAM, [MILLSTREAM, role])


def program(command: list[str]) -> int:
    """The exit code of the program, or of the job that an earlier start of it has submitted."""
    if not is_first():
        # Blocked before anybody hears that it waits, and may send it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        print("waits until the Job has ended", flush=True)
        signal.sigwait({signal.SIGTERM})
        return TERMINATED
    if not jobs():
        os.execvp(MILLSTREAM, [MILLSTREAM, "run", *command])
    pause, longest = PAUSES_S
    while any(job["state"] not in FINAL for job in jobs()):
        time.sleep(pause)
        pause = min(2 * pause, longest)
    ended = {job["name"]: job["state"] for job in jobs()}
    print(f"followed to its end, since it had been submitted before: {ended}", flush=True)
    return 0 if set(ended.values()) == {"FINISHED"} else 1


def jobs() -> list[dict[str, Any]]:
    """Those of this cluster, ended ones too."""
    listed = subprocess.run([MILLSTREAM, "list", "--all", "--json"], stdout=subprocess.PIPE, check=True)
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def is_first() -> bool:
    """Whether this pod has the JobManager."""
    return os.environ[INDEX] == "0"


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments[0] == "process":
        process()
    return program(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
