"""The outgoing side of a session: order, parts, heartbeats in front, an end for who doesn't read."""

import asyncio

from millstream_jobmanager.service.outbox import MAX_WAITING, Outbox
from millstream_proto.session_pb2 import Heartbeat, JobManagerMessage, Refused, Registered


def text(size: int, mark: str = "x") -> JobManagerMessage:
    return JobManagerMessage(refused=Refused(reason=mark * size))


BEAT = JobManagerMessage(heartbeat=Heartbeat(sequence=1))
FIRST = JobManagerMessage(registered=Registered(leader="jm"))


async def drained(outbox: Outbox) -> list[str]:
    """What goes out until it is closed: the kinds of messages."""
    written: list[str] = []

    async def write(message: JobManagerMessage) -> None:
        assert message.ByteSize() <= 1000
        written.append(message.WhichOneof("body") or "")

    await outbox.run(write)
    return written


async def test_heartbeats_go_in_front_of_what_waits_but_never_of_the_first_message() -> None:
    outbox = Outbox(1000)
    for message in (BEAT, FIRST, text(10), BEAT):
        outbox.put(message)
    outbox.close("done")
    assert await drained(outbox) == ["registered", "heartbeat", "heartbeat", "refused"]


async def test_a_heartbeat_goes_between_the_parts_of_a_large_message() -> None:
    outbox = Outbox(1000)
    outbox.put(FIRST)
    outbox.put(text(5000))
    written: list[str] = []

    async def write(message: JobManagerMessage) -> None:
        written.append(message.WhichOneof("body") or "")
        if len(written) == 3:
            outbox.put(BEAT)
            outbox.close("done")

    await outbox.run(write)
    assert written[:5] == ["registered", "part", "part", "heartbeat", "part"]


async def test_what_was_put_before_the_end_goes_out_and_nothing_after_it() -> None:
    outbox = Outbox(1000)
    outbox.put(FIRST)
    outbox.close("the reason")
    outbox.put(text(10))
    outbox.close("another reason")
    assert await drained(outbox) == ["registered"]
    assert outbox.closing == "the reason"


async def test_it_waits_for_more() -> None:
    outbox = Outbox(1000)
    running = asyncio.create_task(drained(outbox))
    await asyncio.sleep(0)
    outbox.put(FIRST)
    await asyncio.sleep(0)
    outbox.put(text(10))
    outbox.close("done")
    assert await running == ["registered", "refused"]


async def test_a_peer_that_never_reads_is_given_up_before_memory_is() -> None:
    outbox = Outbox(1000)
    for _ in range(MAX_WAITING // 1_000_000 + 2):
        outbox.put(text(1_000_000))
    assert outbox.closing is not None
    assert "doesn't read" in outbox.closing
    assert await drained(outbox) == []
