"""What a worker process runs, from the moment it is one."""

import socket

from millstream_taskmanager.user_code.forks import watch_forks
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.options import WorkerOptions
from millstream_taskmanager.worker.output import TaskOutputs, install
from millstream_taskmanager.worker.worker import Worker


def run_worker(options: WorkerOptions, control: socket.socket) -> int:
    """Work until told to leave; gives the process's exit status. What it raises ends the process with an error."""
    outputs = TaskOutputs()
    install(outputs)
    watch_forks(outputs.become_silent)
    loop = WorkerLoop()
    Worker(options, control, loop, outputs).run()
    loop.close()
    return 0
