"""What stands in ZooKeeper is read as it was written, and garbage is told from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import Epoch, JobId
from millstream_runtime.leadership.discovery import leader_of
from millstream_runtime.leadership.nodes import (
    ClusterNodes,
    JobPointer,
    Leader,
    LeaderNode,
    NodeError,
    decode_epoch,
    decode_leader,
    decode_pointer,
    encode_epoch,
    encode_node,
)

NUMBERS = st.integers(0, 2**63 - 1)


@given(st.builds(LeaderNode, NUMBERS, st.text()))
def test_a_leader_is_read_as_it_was_written(node: LeaderNode) -> None:
    assert decode_leader(encode_node(node)) == node


@given(st.builds(JobPointer, NUMBERS, st.text(), st.text(), NUMBERS, NUMBERS, st.booleans()))
def test_a_pointer_is_read_as_it_was_written(node: JobPointer) -> None:
    assert decode_pointer(encode_node(node)) == node


@given(st.integers(0, 10**18 - 1))
def test_an_epoch_is_read_as_it_was_written(number: int) -> None:
    assert decode_epoch(encode_epoch(Epoch(number))) == number


@given(st.binary(max_size=50))
def test_garbage_is_an_error_or_a_value_and_nothing_else(data: bytes) -> None:
    for decode in (decode_leader, decode_pointer, decode_epoch):
        try:
            decode(data)
        except NodeError as error:
            assert "can't be read" in str(error)  # noqa: PT017  # most garbage is an error, some is a value


@pytest.mark.parametrize("data", [b"", b"-1", b"+1", b" 1", b"1_0", b"1.0", b"\xd9\xa1", b"9" * 5_000])
def test_an_epoch_is_digits(data: bytes) -> None:
    with pytest.raises(NodeError, match="epoch"):
        decode_epoch(data)


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"epoch":"7"}', b'{"epoch":7,"address":1}', b'{"epoch":7', b"\xff"])
def test_another_text_is_no_leader(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NodeError, match="leader's node"):
        decode_leader(data)
    assert leader_of(data) is None
    assert "the leader's node can't be read" in caplog.text


def test_a_leader_without_an_address_serves_nobody_yet() -> None:
    assert leader_of(None) is None
    assert leader_of(encode_node(LeaderNode(7))) is None
    assert leader_of(encode_node(LeaderNode(7, "jm:6123"))) == Leader(Epoch(7), "jm:6123")


def test_what_a_later_version_adds_is_read_over() -> None:
    assert decode_leader(b'{"epoch":7,"address":"jm:6123","since":"noon"}') == LeaderNode(7, "jm:6123")


def test_the_paths_of_a_cluster() -> None:
    nodes = ClusterNodes("/millstream/one")
    assert (nodes.leader, nodes.epoch) == ("/millstream/one/leader", "/millstream/one/epoch")
    assert nodes.job(JobId("5ca1ab1e")) == "/millstream/one/jobs/5ca1ab1e"
