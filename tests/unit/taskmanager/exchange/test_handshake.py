"""Who may talk to whom (law 9.3): both ends prove the attempt's secret, nothing that was once said is of use again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, WorkerId
from millstream_taskmanager.exchange import handshake
from millstream_taskmanager.exchange.handshake import MAX_SIZE, NONCE_SIZE, Acceptor, Connector, HandshakeError, Party
from tests.support.wire import ATTEMPT, SECRET, worker

CALLER = Party(worker(0), ATTEMPT, SECRET)
HOST = Party(worker(1), ATTEMPT, SECRET)


def nonce(seed: int) -> bytes:
    return bytes([seed]) * NONCE_SIZE


def host(party: Party = HOST, seed: int = 2, refusal: str | None = None) -> Acceptor:
    return Acceptor(party, lambda _: refusal, nonce(seed))


def caller(party: Party = CALLER, seed: int = 1) -> Connector:
    return Connector(party, HOST.worker, nonce(seed))


def test_two_who_know_the_secret_get_together() -> None:
    one, other = caller(), host()
    assert other.proved(one.challenged(other.greeted(one.hello()))) == CALLER.worker


def test_nothing_that_is_said_is_the_secret_or_large() -> None:
    one, other = caller(), host()
    hello = one.hello()
    challenge = other.greeted(hello)
    proof = one.challenged(challenge)
    for said in (hello, challenge, proof):
        assert SECRET not in said
        assert len(said) <= MAX_SIZE
    assert "secret" not in repr(CALLER).replace("secret of", "")


def test_a_caller_without_the_secret_is_refused() -> None:
    stranger, other = caller(replace(CALLER, secret=b"guess")), host()
    challenge = other.greeted(stranger.hello())
    with pytest.raises(HandshakeError, match=r"answers for .*doesn't know the secret"):
        stranger.challenged(challenge)
    guess = caller(replace(CALLER, secret=b"guess"))
    with pytest.raises(HandshakeError, match=f"says it is {CALLER.worker}, but doesn't know the secret"):
        other.proved(guess.challenged(host(replace(HOST, secret=b"guess")).greeted(guess.hello())))


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (replace(ATTEMPT, number=2), "attempt 2, this is .*attempt 3"),
        (replace(ATTEMPT, region=RegionId(1)), "region 1/attempt 3, this is .*region 0"),
        (replace(ATTEMPT, job=JobId("ab" * 16)), "abababab/"),
    ],
)
def test_another_attempt_region_or_job_is_refused(attempt: RegionAttempt, words: str) -> None:
    """Even with the right secret: a former attempt's worker may still run."""
    with pytest.raises(HandshakeError, match=words):
        host().greeted(caller(replace(CALLER, attempt=attempt)).hello())


def test_a_hello_for_another_worker_is_refused() -> None:
    with pytest.raises(HandshakeError, match=f"it wants {worker(5)}, this is {HOST.worker}"):
        host().greeted(Connector(CALLER, worker(5), nonce(1)).hello())


def test_who_is_not_expected_is_refused_before_and_behind_the_proof() -> None:
    with pytest.raises(HandshakeError, match="it is connected, or was"):
        host(refusal="it is connected, or was").greeted(caller().hello())
    reasons: list[str | None] = [None, "it is connected, or was"]
    one, other = caller(), Acceptor(HOST, lambda _: reasons.pop(0), nonce(2))
    with pytest.raises(HandshakeError, match="it is connected, or was"):
        other.proved(one.challenged(other.greeted(one.hello())))


def test_what_was_recorded_is_of_no_use_again() -> None:
    one, other = caller(), host()
    hello = one.hello()
    challenge = other.greeted(hello)
    proof = one.challenged(challenge)
    again = host(seed=3)
    again.greeted(hello)
    with pytest.raises(HandshakeError, match="doesn't know the secret"):
        again.proved(proof)
    with pytest.raises(HandshakeError, match="doesn't know the secret"):
        caller(seed=4).challenged(challenge)


def test_a_proof_can_not_be_thrown_back() -> None:
    """Who knows no secret can't use the host's own proof as the caller's."""
    one, other = caller(), host()
    challenge = other.greeted(one.hello())
    with pytest.raises(HandshakeError, match="doesn't know the secret"):
        other.proved(challenge[-32:])


def test_a_proof_before_a_hello_is_refused() -> None:
    with pytest.raises(HandshakeError):
        host().proved(bytes(32))


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "PROTOCOL_VERSION", 2)
    hello = caller().hello()
    monkeypatch.undo()
    with pytest.raises(HandshakeError, match="it speaks version 2, we speak 1"):
        host().greeted(hello)


@given(st.binary(max_size=300))
def test_garbage_is_refused_in_words(garbage: bytes) -> None:
    for step in (host().greeted, host().proved, caller().challenged):
        with pytest.raises(HandshakeError):
            step(garbage)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_single_changed_byte_is_refused(place: int, change: int) -> None:
    one, other = caller(), host()
    hello = one.hello()
    challenge = other.greeted(hello)
    bent = bytearray(challenge)
    bent[place % len(bent)] ^= change
    with pytest.raises(HandshakeError):
        one.challenged(bytes(bent))


def test_an_attempt_without_a_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="has no secret"):
        Party(WorkerId("w"), ATTEMPT, b"")
