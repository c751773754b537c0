"""The server name that a connection asks for, before anything is answered."""

import contextlib
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_runtime.security import INTERNAL_NAME, IncompleteHelloError, asked_name
from millstream_runtime.security.hello import BEGINNING


def hello(name: str | None) -> bytes:
    """The first bytes of OpenSSL's client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = hello(INTERNAL_NAME)


@pytest.mark.parametrize("name", [INTERNAL_NAME, "localhost", None])
def test_the_name_is_read(name: str | None) -> None:
    assert asked_name(hello(name)) == name


def test_an_address_is_no_name() -> None:
    assert asked_name(hello("127.0.0.1")) is None


def test_every_beginning_of_it_says_how_much_it_needs() -> None:
    said = hello(INTERNAL_NAME)
    for count in range(len(said)):
        with pytest.raises(IncompleteHelloError) as caught:
            asked_name(said[:count])
        assert caught.value.needed == (BEGINNING if count < BEGINNING else len(said))


def test_what_comes_behind_it_is_not_looked_at() -> None:
    assert asked_name(hello(INTERNAL_NAME) + b"more") == INTERNAL_NAME


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_name_that_is_no_text_is_another_one() -> None:
    """A traceback of OpenSSL's wrapper would be in the log of whoever is asked so."""
    said = hello(INTERNAL_NAME).replace(INTERNAL_NAME.encode(), b"\xff" * len(INTERNAL_NAME))
    assert asked_name(said) not in (INTERNAL_NAME, None)


@given(st.integers(0, 511), st.binary(min_size=1, max_size=4))
def test_damage_is_a_value_error_or_nothing(at: int, damage: bytes) -> None:
    said = HELLO[:at] + damage + HELLO[at + len(damage) :]
    with contextlib.suppress(ValueError):
        asked_name(said)


def test_a_look_costs_next_to_nothing() -> None:
    """Strangers make the port look, so a look must not cost what a context of OpenSSL does, a millisecond and more."""
    began = time.process_time()
    for _ in range(200):
        asked_name(HELLO)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    "said", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x04\x95\x05\x00\x00\x00", bytes(64)]
)
def test_other_bytes_are_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match="no TLS client begins like this"):
        asked_name(said)


def test_nobody_is_waited_for_forever() -> None:
    with pytest.raises(ValueError, match="no TLS client begins like this: it has announced 16389 bytes"):
        asked_name(bytes.fromhex("160301 4000 01"))
    in_several_records = bytes.fromhex("160301 0004 01 ffffff")
    with pytest.raises(ValueError, match="no TLS client begins like this"):
        asked_name(in_several_records)
