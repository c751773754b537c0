"""A program that is killed while it writes, over and over.

For each line that it reads it starts a process that takes the store, then puts record after record, blob after blob
and checkpoint after checkpoint, waits until so many are done as the line says, and kills it so many microseconds
after. It answers with the number of the last that was done. Usage: killed_writer.py <directory>
"""

import os
import signal
import sys
import time
from pathlib import Path

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import LocalJobStore
from tests.unit.jobmanager.store.samples import digest, record
from tests.unit.runtime.checkpoint_files.samples import write_checkpoint


def write(directory: Path, done: int) -> None:
    """Until somebody kills it."""
    store = LocalJobStore(directory / "store")
    epoch = store.open(Epoch(0))
    os.write(done, b"0\n")
    version = max((known.version for known in store.recover()), default=0)
    while True:
        version += 1
        blob = b"%d" % version * 1_000
        store.put_blob(digest(blob), [blob])
        write_checkpoint(str(directory / "checkpoints"), 1_000 * epoch + version, epoch)
        if store.put(record(version)).outcome is not Outcome.DONE:
            os._exit(1)
        os.write(done, b"%d\n" % version)


def killed(directory: Path, count: int, microseconds: int) -> int:
    """The last version that was done, 0 when there is none, -1 when the writer ended by itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write(directory, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        lines = [answers.readline() for _ in range(1 + count)]
        time.sleep(microseconds / 1e6)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        lines += answers.read().splitlines()
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        return -1
    return int(lines[-1])


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{killed(Path(sys.argv[1]), *map(int, line.split()))}\n")
        sys.stdout.flush()
