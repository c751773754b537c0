"""What a client asks the operator that collects a job's records, and what it hears (`execute_and_collect`).

JobManager and TaskManager pass both on unread, as msgpack in the payload of an operator's question.
"""

import msgspec


class CollectRequest(msgspec.Struct, frozen=True):
    """The client has `offset` records, the last of them from run `version` of the operator (0: of none yet), and of
    the next one the first `part` bytes.
    """

    version: int
    offset: int
    part: int = 0


class CollectReply(msgspec.Struct, frozen=True):
    """The records from number `offset` on, pickled one by one.

    Those below `committed` won't come again after a restart. `ended`: no record follows these. A record that is larger
    than an answer comes alone and in pieces: then `size` isn't 0, but the bytes of the whole record, and `records` has
    one piece, which begins where the client has said.
    """

    version: int
    offset: int
    records: list[bytes]
    committed: int
    ended: bool
    size: int = 0
