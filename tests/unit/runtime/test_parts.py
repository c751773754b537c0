"""Messages above the limit travel in parts (law 3.3), take effect with the last, and contradictions end the stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_proto.blobs_pb2 import Part
from millstream_proto.identity_pb2 import SessionId
from millstream_proto.session_pb2 import Heartbeat, JobManagerMessage, Refused, TaskManagerMessage, TaskOutput
from millstream_runtime.messages.codec import MalformedMessageError
from millstream_runtime.messages.parts import PartJoiner, split_message

SESSION = SessionId(taskmanager="tm-1", number=3)


def refusal(size: int, epoch: int = 7) -> JobManagerMessage:
    return JobManagerMessage(session=SESSION, epoch=epoch, refused=Refused(reason="x" * size))


def parts_of(size: int = 5000, limit: int = 1024) -> list[JobManagerMessage]:
    parts = list(split_message(refusal(size), limit))
    assert len(parts) > 1
    return parts


@given(size=st.integers(0, 20_000), limit=st.integers(200, 9000))
def test_what_was_split_is_joined_again_and_no_part_exceeds_the_limit(size: int, limit: int) -> None:
    joiner: PartJoiner[JobManagerMessage] = PartJoiner()
    envelope = refusal(size)
    parts = list(split_message(envelope, limit))
    assert all(part.ByteSize() <= limit for part in parts)
    joined = [joiner.feed(part) for part in parts]
    assert joined == [None] * (len(parts) - 1) + [envelope]


def test_a_message_within_the_limit_is_itself() -> None:
    envelope = refusal(100)
    assert list(split_message(envelope, envelope.ByteSize())) == [envelope]


def test_messages_of_a_taskmanager_are_split_too() -> None:
    envelope = TaskManagerMessage(session=SESSION, epoch=2, task_output=TaskOutput(text="y" * 9000))
    joiner: PartJoiner[TaskManagerMessage] = PartJoiner()
    assert [joiner.feed(part) for part in split_message(envelope, 4000)][-1] == envelope


def test_a_heartbeat_passes_between_the_parts() -> None:
    joiner: PartJoiner[JobManagerMessage] = PartJoiner()
    beat = JobManagerMessage(session=SESSION, epoch=7, heartbeat=Heartbeat(sequence=1))
    first, *rest = parts_of()
    assert joiner.feed(first) is None
    assert joiner.feed(beat) is beat
    assert [joiner.feed(part) for part in rest][-1] == refusal(5000)


def test_one_joiner_takes_message_after_message() -> None:
    joiner: PartJoiner[JobManagerMessage] = PartJoiner()
    for size in (5000, 6000):
        assert [joiner.feed(part) for part in parts_of(size)][-1] == refusal(size)


def feed_all(joiner: PartJoiner[JobManagerMessage], parts: list[JobManagerMessage]) -> None:
    for part in parts:
        joiner.feed(part)


def damaged(change: str) -> list[JobManagerMessage]:
    parts = parts_of()
    if change == "missing":
        del parts[1]
    elif change == "repeated":
        parts.insert(1, parts[0])
    elif change == "foreign":
        parts[1] = parts_of(6000)[1]
    elif change == "bytes":
        parts[1].part.data = bytes(len(parts[1].part.data))
    elif change == "empty":
        parts[1].part.data = b""
    elif change == "late":
        del parts[0]
    elif change == "negative":
        parts[0].part.number = parts[0].part.count = -1
    elif change == "epoch":
        for part in parts:
            part.epoch = 8
    return parts


@pytest.mark.parametrize(
    "change", ["missing", "repeated", "foreign", "bytes", "empty", "late", "negative", "epoch"], ids=str
)
def test_parts_that_contradict_each_other_are_refused(change: str) -> None:
    joiner: PartJoiner[JobManagerMessage] = PartJoiner()
    with pytest.raises(MalformedMessageError):
        feed_all(joiner, damaged(change))


def test_no_more_is_kept_than_the_joiner_allows() -> None:
    joiner: PartJoiner[JobManagerMessage] = PartJoiner(max_bytes=3000)
    with pytest.raises(MalformedMessageError, match="more than 3000 bytes"):
        feed_all(joiner, parts_of())


def test_a_part_within_a_part_is_refused() -> None:
    inner = JobManagerMessage(session=SESSION, epoch=7, part=Part(message=1, count=1, data=b"z" * 3000))
    joiner: PartJoiner[JobManagerMessage] = PartJoiner()
    with pytest.raises(MalformedMessageError):
        feed_all(joiner, list(split_message(inner, 1024)))


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        next(split_message(refusal(500), 60))
