"""Records in flight in a data file: read again frame by frame, checked, and refused by who doesn't know of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_runtime.checkpoint_files import ChannelContents, CorruptCheckpointError, SnapshotReader, encode_snapshot
from millstream_runtime.checkpoint_files.layout import FILE_FORMAT, FILE_FORMAT_IN_FLIGHT, HEAD, PACKED
from millstream_runtime.messages.snapshots import InlineBytes
from tests.unit.runtime.checkpoint_files.samples import CONTENTS, read_back

CHANNEL = ChannelId(EdgeId(3), 1, 2)
frames = st.one_of(st.binary(max_size=40), st.just(b"\xa5" * PACKED))
channels = st.builds(
    lambda source, target, output, items: ChannelContents(
        ChannelId(EdgeId(1), source, target), output, len(items), tuple(items)
    ),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    st.lists(frames, max_size=6),
)


def file_of(*in_flight: ChannelContents, state: bool = True) -> bytes:
    return b"".join(encode_snapshot(CONTENTS if state else (), in_flight))


@given(st.lists(channels, max_size=4, unique_by=lambda one: (one.channel, one.output)), st.booleans())
def test_what_was_in_flight_is_read_again(in_flight: list[ChannelContents], state: bool) -> None:
    with SnapshotReader(InlineBytes(file_of(*in_flight, state=state))) as reader:
        for one in in_flight:
            assert reader.frames(one.channel, output=one.output) == list(one.items)
        reader.verify()
        if state:
            with SnapshotReader(InlineBytes(file_of())) as without:
                assert read_back(reader) == read_back(without)


def test_both_ends_of_a_channel_are_told_apart() -> None:
    data = file_of(ChannelContents(CHANNEL, True, 1, (b"sent",)), ChannelContents(CHANNEL, False, 1, (b"come",)))
    with SnapshotReader(InlineBytes(data)) as reader:
        assert reader.frames(CHANNEL, output=True) == [b"sent"]
        assert reader.frames(CHANNEL, output=False) == [b"come"]
        with pytest.raises(CorruptCheckpointError, match="nothing of the sending end of"):
            reader.frames(ChannelId(EdgeId(3), 2, 2), output=True)


def test_only_a_file_with_records_in_flight_is_of_the_newer_format() -> None:
    """Who doesn't know of them refuses it; all others are read by earlier versions too."""
    with_some = file_of(ChannelContents(CHANNEL, True, 1, (b"frame",)))
    assert HEAD.unpack(with_some[: HEAD.size])[1] == FILE_FORMAT_IN_FLIGHT
    assert HEAD.unpack(file_of()[: HEAD.size])[1] == FILE_FORMAT


def test_an_altered_frame_is_found() -> None:
    data = bytearray(file_of(ChannelContents(CHANNEL, True, 1, (b"a frame that is altered",)), state=False))
    place = data.index(b"altered")
    data[place] ^= 1
    with (
        SnapshotReader(InlineBytes(bytes(data))) as reader,
        pytest.raises(CorruptCheckpointError, match="of FRAMES"),
    ):
        reader.frames(CHANNEL, output=True)
