"""From a fork to a worker: the child sheds what it has inherited, and becomes a process of its own (law 13.2)."""

import contextlib
import faulthandler
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

import numpy as np

from millstream_taskmanager.forkserver.parent import HAS_DEATH_SIGNAL, die_with, watch
from millstream_taskmanager.worker.options import WorkerOptions

Main = Callable[[WorkerOptions, socket.socket], int]

_FAILED = 1


def become_worker(parent: int, options: WorkerOptions, descriptors: list[int], main: Main) -> NoReturn:
    """Called in the child right after the fork; ends with the process."""
    status = _FAILED
    try:
        with contextlib.suppress(PermissionError):  # the parent was quicker
            os.setpgid(0, 0)
        die_with(parent, signal.SIGKILL)
        control = _arrange_descriptors(descriptors)
        _reset(control)
        status = main(options, control)
    except BaseException:  # noqa: BLE001  # whatever it is, the process ends here, and says why
        with contextlib.suppress(Exception):
            os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
    finally:
        os._exit(status)


def _arrange_descriptors(descriptors: list[int]) -> socket.socket:
    """Standard input is empty, output goes to the TaskManager; beside these only the control socket stays open."""
    control, out, err = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.closerange(3, control)
    os.closerange(control + 1, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(control, False)
    return socket.socket(fileno=control)


def _reset(control: socket.socket) -> None:
    """Signals, chance, and the place where the program's own classes will be found (law 12.1)."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    random.seed()
    np.random.seed()  # noqa: NPY002  # user code that uses the old generator must not repeat its neighbour's numbers
    sys.modules["__main__"] = ModuleType("__main__")
    faulthandler.enable(2, all_threads=True)
    if not HAS_DEATH_SIGNAL:
        watch(control, lambda: os._exit(_FAILED))
