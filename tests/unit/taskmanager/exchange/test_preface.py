"""The preface of a data port: exact, bounded, and nothing of what follows is read (law 9.3)."""

import pytest

from millstream_dataflow.identity import WorkerId
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.exchange.preface import PrefaceError, PrefaceReader, encode_preface

NAME = WorkerId("4f-0-3-17")


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
def test_it_is_read_in_any_pieces(step: int) -> None:
    data = encode_preface(NAME)
    reader = PrefaceReader()
    found, at = None, 0
    while found is None:
        piece = data[at : at + min(step, reader.wanted)]
        found = reader.feed(piece)
        at += len(piece)
    assert (found, at, reader.wanted) == (NAME, len(data), 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / ", "began with b'GET '"),
        (b"X", "began with b'X'"),
        (b"MSP1\x00\x00", "has 0 bytes"),
        (b"MSP1\xff\xff", "has 65535 bytes"),
    ],
)
def test_whatever_is_no_preface_is_refused_at_once(data: bytes, words: str) -> None:
    with pytest.raises(PrefaceError, match=words):
        PrefaceReader().feed(data)


def test_a_name_that_is_no_text_is_refused() -> None:
    reader = PrefaceReader()
    reader.feed(b"MSP1\x02\x00")
    with pytest.raises(PrefaceError, match="UTF-8"):
        reader.feed(b"\xff\xfe")


def test_names_have_a_limit() -> None:
    with pytest.raises(ValueError, match="1 to 128 bytes"):
        encode_preface(WorkerId("x" * 129))


def test_socket_files_of_workers_differ_and_are_short() -> None:
    """Law 1.5: a worker's name has its attempt."""
    names = {socket_path("/run", WorkerId(f"{'4f' * 60}-{number}")) for number in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) < 50
