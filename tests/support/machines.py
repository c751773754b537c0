"""TaskManagers of this machine that believe to be on machines of their own, so that their workers meet by TCP."""

import sys

_BELIEVES = """
import sys
from millstream_taskmanager.service import service
service.machine_id = lambda machine=sys.argv.pop(1): machine
from millstream.cli.main import main
main()
"""


def another_machine(name: str) -> tuple[str, ...]:
    """Starts the command line there, as `Cluster.start_taskmanager` takes it."""
    return sys.executable, "-c", _BELIEVES, name
