"""The journal: every answer of the store, and what it makes known (law 2.1)."""

from dataclasses import replace

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.commands import StepDown, StoreRecord
from millstream_jobmanager.core.events import Outcome, RecordStored
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.states import JobState
from tests.support.graphs import NO_BLOB

JOB = JobId("job")
RETRY = 100


class Story:
    """A journal whose changes append a letter to the job's name."""

    def __init__(self) -> None:
        nonces = iter(f"n{number}" for number in range(1, 100))
        self.journal = Journal(JobRecord(JOB, "", NO_BLOB, 0, JobState.CREATED), lambda: next(nonces), RETRY)
        self.now = 0
        self.said: list[str] = []

    def turn(self) -> Turn:
        return Turn(Moment(self.now, self.now))

    def hear(self, turn: Turn) -> None:
        for command in turn.commands:
            if isinstance(command, StoreRecord):
                self.said.append(f"store {command.record.version} {command.record.nonce} {command.record.name}")
            if isinstance(command, StepDown):
                self.said.append("step down")

    def change(self, letter: str) -> None:
        turn = self.turn()
        self.journal.change(
            turn,
            lambda record: replace(record, name=record.name + letter),
            lambda _: self.said.append(f"{letter} done"),
            lambda _, reason: self.said.append(f"{letter} refused: {reason}"),
        )
        self.hear(turn)

    def answer(self, nonce: str, outcome: Outcome) -> None:
        turn = self.turn()
        self.journal.stored(turn, RecordStored(JOB, nonce, outcome, "why"))
        self.hear(turn)

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        turn = self.turn()
        self.journal.tick(turn)
        self.hear(turn)

    def take(self) -> list[str]:
        said, self.said = self.said, []
        return said


def test_done_is_believed_and_nothing_before() -> None:
    """Law 2.2: stored before told."""
    story = Story()
    story.change("a")
    assert story.take() == ["store 1 n1 a"]
    assert (story.journal.record.name, story.journal.settled) == ("", False)
    story.answer("n1", Outcome.DONE)
    assert story.take() == ["a done"]
    assert (story.journal.record.name, story.journal.settled) == ("a", True)


def test_one_write_in_flight_and_the_others_go_together() -> None:
    """Law 2.1: what waits goes into the next write, on top of what was stored."""
    story = Story()
    for letter in "abc":
        story.change(letter)
    assert story.take() == ["store 1 n1 a"]
    story.answer("n1", Outcome.DONE)
    assert story.take() == ["a done", "store 2 n2 abc"]
    story.answer("n2", Outcome.DONE)
    assert story.take() == ["b done", "c done"]


def test_refused_leaves_what_was() -> None:
    """Law 2.1: refused changes are undone, later ones go on from what is stored."""
    story = Story()
    story.change("a")
    story.change("b")
    story.answer("n1", Outcome.REFUSED)
    assert story.take() == ["store 1 n1 a", "a refused: why", "store 1 n2 b"]
    story.answer("n2", Outcome.DONE)
    assert story.journal.record.name == "b"


def test_unknown_is_settled_by_the_same_write() -> None:
    """Law 2.1: same version, same nonce, after the delay, until it is known; nothing is told in between."""
    story = Story()
    story.change("a")
    story.change("b")
    story.take()
    for _ in range(2):
        story.answer("n1", Outcome.UNKNOWN)
        assert story.journal.deadline() == story.now + RETRY
        story.wait(RETRY - 1)
        assert story.take() == []
        story.wait(1)
        assert story.take() == ["store 1 n1 a"]
        assert not story.journal.settled
    story.answer("n1", Outcome.DONE)
    assert story.take() == ["a done", "store 2 n2 ab"]
    assert story.journal.deadline() is None


def test_refused_after_unknown_settles_nothing() -> None:
    """Law 2.1: the first copy may still land; only done or a conflict is an answer then."""
    story = Story()
    story.change("a")
    story.answer("n1", Outcome.UNKNOWN)
    story.wait(RETRY)
    story.answer("n1", Outcome.REFUSED)
    assert story.take() == ["store 1 n1 a", "store 1 n1 a"]
    story.wait(RETRY)
    story.answer("n1", Outcome.DONE)
    assert story.take() == ["store 1 n1 a", "a done"]
    story.change("b")
    story.answer("n2", Outcome.REFUSED)
    assert story.take() == ["store 2 n2 ab", "b refused: why"]


def test_answers_to_other_writes_mean_nothing() -> None:
    """Law 2.1: a late answer to a write that was settled."""
    story = Story()
    story.change("a")
    story.answer("n1", Outcome.DONE)
    story.change("b")
    story.take()
    story.answer("n1", Outcome.REFUSED)
    story.answer("n0", Outcome.CONFLICT)
    assert story.take() == []
    assert story.journal.record.name == "a"


def test_a_conflict_is_another_leader() -> None:
    """Law 2.1: it steps down and leaves all bytes; nothing is told."""
    story = Story()
    story.change("a")
    story.answer("n1", Outcome.CONFLICT)
    assert story.take() == ["store 1 n1 a", "step down"]


def test_what_is_called_may_change_again() -> None:
    """A change made by `then` goes out at once, the ones of its siblings wait behind it."""
    story = Story()
    story.change("a")
    turn = story.turn()
    story.journal.change(turn, lambda record: record, lambda _: story.change("c"), lambda _, __: None)
    story.change("d")
    story.answer("n1", Outcome.DONE)
    story.take()
    story.answer("n2", Outcome.DONE)
    assert story.take() == ["store 3 n3 adc", "d done"]
