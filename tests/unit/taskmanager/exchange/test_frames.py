"""Frames out of bytes that come as they like, and no frames out of garbage."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.exchange.credits import NO_LIMIT
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import (
    BACKLOG,
    HEADER,
    Frame,
    FrameParser,
    Granted,
    Kind,
    check_sequence,
    key_of,
    next_sequence,
    pack_credit,
    pack_header,
    unpack_credit,
)
from tests.support.wire import channel

LIMIT = 100_000


def frame(kind: Kind, sequence: int, payload: bytes) -> bytes:
    return pack_header(kind, BACKLOG, (1, 2, 3), sequence, len(payload)) + payload


def feed(parser: FrameParser, data: bytes) -> list[Frame]:
    """As a socket would that gives no more than there is room for."""
    found: list[Frame] = []
    view = memoryview(data)
    while view:
        taken = 0
        for room in parser.room():
            part = view[: len(room)]
            room[: len(part)] = part
            view = view[len(part) :]
            taken += len(part)
        parser.received(taken)
        while (next_ := parser.next_frame()) is not None:
            found.append(next_)
    return found


PAYLOADS = [b"", b"x", b"y" * 4_000, b"z" * 5_000, b"", bytes(range(256)) * 300, b"end"]
STREAM = b"".join(frame(Kind.ROWS, number, payload) for number, payload in enumerate(PAYLOADS))


@pytest.mark.parametrize("buffer", [100, 5_000, 1 << 20])
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_frames_come_out_of_any_pieces(buffer: int, cuts: list[int]) -> None:
    parser = FrameParser(LIMIT, buffer)
    found: list[Frame] = []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += feed(parser, STREAM[start:end])
    assert [bytes(one.payload) for one in found] == PAYLOADS
    assert [(one.kind, one.flags, one.channel, one.sequence) for one in found] == [
        (Kind.ROWS, BACKLOG, (1, 2, 3), number) for number in range(len(PAYLOADS))
    ]
    assert not parser.half


def test_a_stream_may_be_cut_at_every_boundary() -> None:
    data = b"".join(frame(Kind.ROWS, number, b"p" * size) for number, size in enumerate((0, 1, 20)))
    for cut in range(len(data) + 1):
        parser = FrameParser(LIMIT, 64)
        assert len(feed(parser, data[:cut]) + feed(parser, data[cut:])) == 3


def test_half_a_frame_is_known_as_such() -> None:
    for data in (frame(Kind.ROWS, 0, b"abc")[:-1], frame(Kind.ROWS, 0, b"a" * 9_000)[:-1], b"\x00"):
        parser = FrameParser(LIMIT, 100)
        assert feed(parser, data) == []
        assert parser.half


def test_a_length_over_the_limit_is_refused_by_its_header() -> None:
    """Nothing of that size is allocated: 4 GiB would end the process."""
    parser = FrameParser(LIMIT, 1_000)
    with pytest.raises(ExchangeError, match="ROWS frame of 4294967295 bytes was announced, the limit is 100000"):
        feed(parser, HEADER.pack(0xFFFFFFFF, Kind.ROWS, 0, 0, 0, 0, 0))


def test_the_limit_itself_is_allowed() -> None:
    assert len(feed(FrameParser(LIMIT, 1_000), frame(Kind.ROWS, 0, bytes(LIMIT)))) == 1
    with pytest.raises(ExchangeError, match="limit"):
        feed(FrameParser(LIMIT, 1_000), frame(Kind.ROWS, 0, bytes(LIMIT + 1)))


@given(garbage=st.binary(min_size=16, max_size=200))
def test_garbage_is_an_error_or_waits_but_never_breaks(garbage: bytes) -> None:
    parser = FrameParser(1_000, 300)
    with suppress(ExchangeError):
        assert all(len(found.payload) <= 1_000 for found in feed(parser, garbage))


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ExchangeError, match="unknown kind 255"):
        feed(FrameParser(LIMIT, 100), HEADER.pack(0, 255, 0, 0, 0, 0, 0))


def test_a_wider_parser_keeps_what_has_come() -> None:
    parser = FrameParser(100, 200)
    data = frame(Kind.PROOF, 1, b"proof") + frame(Kind.ROWS, 0, b"rows") + frame(Kind.ROWS, 1, b"w" * 3_000)
    room = parser.room()[0]
    room[:80] = data[:80]
    parser.received(80)
    first = parser.next_frame()
    assert first is not None
    assert first.kind is Kind.PROOF
    parser.widen(LIMIT, 64 << 10)
    second = parser.next_frame()
    assert second is not None
    assert second.payload == b"rows"
    assert parser.next_frame() is None
    assert [len(one.payload) for one in feed(parser, data[80:])] == [3_000]


@pytest.mark.parametrize(("came", "word"), [(5, "lost"), (3, "repeated"), (0, "repeated"), (2**32 - 1, "repeated")])
def test_a_gap_and_a_repeat_are_told_apart(came: int, word: str) -> None:
    with pytest.raises(ExchangeError, match=rf"edge 1: 2 -> 3: frame {came} \(ROWS\).*expected: frames were {word}"):
        check_sequence(Frame(Kind.ROWS, 0, (1, 2, 3), came, b""), 4)


def test_counters_wrap() -> None:
    assert next_sequence(2**32 - 1) == 0
    check_sequence(Frame(Kind.ROWS, 0, (1, 2, 3), 0, b""), next_sequence(2**32 - 1))
    with pytest.raises(ExchangeError, match="lost"):
        check_sequence(Frame(Kind.ROWS, 0, (1, 2, 3), 1, b""), 0)


def test_credits_of_many_channels_share_a_frame() -> None:
    grants = {(1, 2, 3): Granted(5, 0), (65_535, 0, 65_535): Granted(1 << 40, NO_LIMIT)}
    assert dict(unpack_credit(pack_credit(grants))) == grants
    with pytest.raises(ExchangeError, match="17 bytes"):
        list(unpack_credit(bytes(17)))


def test_a_channel_that_no_header_can_name_is_refused() -> None:
    with pytest.raises(ExchangeError, match="go to 65535"):
        key_of(channel(70_000))
