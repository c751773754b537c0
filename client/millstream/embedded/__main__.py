"""The child process of a program, which is its cluster: `python -m millstream.embedded <directory> <program> <how>`.

What it imports takes a second, and so does what its forkserver imports: that one is exec'd first of all.
"""

import gc
import logging
import os
import shutil
import signal
import sys

from millstream.connectors import PRELOADED
from millstream.embedded.orders import place_of
from millstream_taskmanager.forkserver.parent import OrphanedError, die_with
from millstream_taskmanager.processes.spawning import SpawnedForkServer


def main(arguments: list[str]) -> None:
    """Start, run, and leave nothing behind. Of a start that fails the program shows what is written, and cleans up."""
    place = place_of(arguments)
    signal.signal(signal.SIGTERM, _leave)
    try:
        if place.dies_with_program:
            die_with(place.program, signal.SIGTERM)
        with SpawnedForkServer(PRELOADED) as forkserver:
            gc.disable()  # a collection among so many imports finds nothing and takes 10 % of their time
            from millstream.embedded.child import run  # noqa: PLC0415  # see the module

            gc.freeze()
            gc.enable()
            run(place, forkserver)
    except (OrphanedError, SystemExit):
        shutil.rmtree(place.directory, ignore_errors=True)


def _leave(_number: int, _frame: object) -> None:
    """Until the loop hears of the program's end."""
    sys.exit()


if __name__ == "__main__":
    main(sys.argv[1:])
    logging.shutdown()
    os._exit(0)  # everything has ended; to take 700 modules apart would keep the program waiting
