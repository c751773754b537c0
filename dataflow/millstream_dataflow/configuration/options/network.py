"""How much data may be under way between tasks, and when a silent peer is given up.

Credits are bytes, not buffers: a channel has a small number of its own, and a gate lends from a pool to the
channels that are behind, so memory grows with the number of tasks and not with its square (law 9.1).
"""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

# A channel that is behind is lent two frames. Its sender then waits for credit once in two frames of 256 KiB (0.44 to
# 0.52 measured) with 64 KiB of its own as with 512 KiB, and once in each without the loan: so the pool does the work,
# and memory doesn't grow with the number of channels.
_EXCLUSIVE: Final = 64 << 10
_FLOATING: Final = 2 << 20

EXCLUSIVE_BYTES_PER_CHANNEL: Final = Option(
    "taskmanager.network.memory.exclusive-bytes-per-channel",
    MEMORY,
    _EXCLUSIVE,
    "How many bytes each channel may always have under way.",
    Scope.CLUSTER,
    unit="bytes",
    check=at_least(1 << 10, "1 kb"),
    flink=FlinkDifference("credits are bytes; Flink's 2 buffers of 32 kb are as much"),
    own=True,
)
FLOATING_BYTES_PER_GATE: Final = Option(
    "taskmanager.network.memory.floating-bytes-per-gate",
    MEMORY,
    _FLOATING,
    "How many bytes more all channels into one task together may have under way.",
    Scope.CLUSTER,
    unit="bytes",
    flink=FlinkDifference("credits are bytes; Flink's 8 buffers of 32 kb are one of our batches, this is eight"),
    own=True,
)
MAX_FRAME_SIZE: Final = Option(
    "taskmanager.network.max-frame-size",
    MEMORY,
    64 << 20,
    "The largest frame that is sent or taken; a single record that does not fit fails, and a peer that announces more "
    "is cut off.",
    Scope.CLUSTER,
    unit="bytes",
    check=between(1 << 20, 1 << 30, "from 1 mb to 1 gb"),
    own=True,
)
HANDSHAKE_TIMEOUT: Final = Option(
    "taskmanager.network.handshake-timeout",
    DURATION,
    timedelta(seconds=5),
    "How long a new data connection may take to say who it is before it is closed.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
    own=True,
)
PEER_PING_INTERVAL: Final = Option(
    "taskmanager.network.peer-ping-interval",
    DURATION,
    timedelta(seconds=5),
    "How often two TaskManagers whose workers are connected ping each other.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
    own=True,
)
PEER_TIMEOUT: Final = Option(
    "taskmanager.network.peer-timeout",
    DURATION,
    timedelta(seconds=15),
    "How long such a peer may be silent before the data connections between the two hosts are closed.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
    own=True,
)

GROUP: Final = Group(
    "Data connections",
    "How much data may be under way between tasks, and when a silent peer is given up.",
    (
        EXCLUSIVE_BYTES_PER_CHANNEL,
        FLOATING_BYTES_PER_GATE,
        MAX_FRAME_SIZE,
        HANDSHAKE_TIMEOUT,
        PEER_PING_INTERVAL,
        PEER_TIMEOUT,
    ),
)
