"""The forkserver as a program: `python -m millstream_taskmanager.forkserver <descriptor> <parent> <module>...`."""

import gc
import os
import signal
import socket
import sys

from millstream_taskmanager.forkserver.parent import OrphanedError, die_with


def main(arguments: list[str]) -> int:
    """`descriptor` is the socket of requests, `parent` the process that has started this one; modules are preloaded."""
    descriptor, parent, *modules = arguments
    try:
        # A signal that can be answered: the server kills its workers' process groups before it goes.
        die_with(int(parent), signal.SIGTERM)
    except OrphanedError:
        return 1
    gc.disable()  # until `tune`: among imports it finds nothing and takes 10 % of their time
    from millstream_taskmanager.forkserver.preload import preload, tune  # noqa: PLC0415  # the parent is watched first
    from millstream_taskmanager.forkserver.server import ForkServer  # noqa: PLC0415  # as above
    from millstream_taskmanager.worker.main import run_worker  # noqa: PLC0415  # as above

    preload(modules)
    tune()
    ForkServer(socket.socket(fileno=int(descriptor)), run_worker).run()
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # its TaskManager waits, and there is nothing to take apart
