"""A worker in a process of its own, at the other end of a test's data connection: `flood` writes rows for ever,
`take` reads to the end, `sleep` reads nothing.
"""

import sys
from pathlib import Path

from millstream_dataflow.records import End, RowBatch
from tests.support.wire import WireLoop, WireWorker, deployment, drain, worker


def main(directory: str, ordinal: int, role: str) -> None:
    """Runs until it is killed, or until the channel ends."""
    loop = WireLoop()
    me = WireWorker(loop, deployment(Path(directory)), ordinal)
    peer = worker(1 - ordinal)
    if role == "flood":
        out = me.writer(peer)
        me.begin()
        while True:
            while out.writable:
                out.add(RowBatch([("key", number, number / 3) for number in range(2_000)]), 40_000, 0)
                out.flush(more=True)
            loop.turn()
    gate = me.gate(peer, window=4 << 20)
    me.begin()
    ended = False
    while not ended:
        loop.turn()
        if role == "take":
            ended = End() in drain(gate)
    loop.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
