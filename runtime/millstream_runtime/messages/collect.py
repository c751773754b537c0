"""What a client asks the operator that collects a job's records, and what it hears (`execute_and_collect`).

JobManager and TaskManager pass both on unread, as msgpack in the payload of an operator's question.
"""

import msgspec


class CollectRequest(msgspec.Struct, frozen=True):
    """The client has `offset` records, the last of them from run `version` of the operator (0: of none yet)."""

    version: int
    offset: int


class CollectReply(msgspec.Struct, frozen=True):
    """The records from number `offset` on, pickled one by one.

    Those below `committed` won't come again after a restart. `ended`: no record follows these.
    """

    version: int
    offset: int
    records: list[bytes]
    committed: int
    ended: bool
