"""Records that a job collects, on their way to the program: each once, in order, whatever happens."""

import pickle
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from millstream.compiler.pickling import dumps
from millstream.errors import ExecutionError, JobCanceledError, JobFailedError, RequestRefusedError
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.records import Received, loaded
from millstream_dataflow.identity import OperatorId
from millstream_runtime.messages.collect import CollectReply, CollectRequest
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.states import JobState
from tests.support.clusters import until
from tests.unit.client.submission.fake_jobmanager import JOB, FakeJobManager, failure, status

OPERATOR = OperatorId("a" * 32)


def reply(first: int, end: int, *, version: int = 1, committed: int = 0, ended: bool = False) -> CollectReply:
    """Records `first` to `end`, which are their own numbers."""
    return CollectReply(version, first, [pickle.dumps(number) for number in range(first, end)], committed, ended)


def shown(records: list[bytes]) -> list[int]:
    return [pickle.loads(record) for record in records]


class TestReceived:
    """What is shown, and when."""

    def test_without_checkpoints_records_are_shown_as_they_come(self) -> None:
        received = Received(checkpointed=False)
        assert received.question == CollectRequest(0, 0)
        assert shown(received.take(reply(0, 3))) == [0, 1, 2]
        assert received.question == CollectRequest(1, 3)
        assert shown(received.take(reply(3, 4))) == [3]

    def test_what_an_answer_repeats_is_shown_once(self) -> None:
        received = Received(checkpointed=False)
        received.take(reply(0, 3))
        assert shown(received.take(reply(1, 5))) == [3, 4]
        assert shown(received.take(reply(0, 2))) == []

    def test_with_checkpoints_they_are_shown_when_theirs_is_completed(self) -> None:
        received = Received(checkpointed=True)
        assert received.take(reply(0, 3)) == []
        assert received.question == CollectRequest(1, 3)
        assert shown(received.take(reply(3, 4, committed=2))) == [0, 1]
        assert shown(received.take(reply(4, 4, committed=4))) == [2, 3]

    def test_the_end_shows_all(self) -> None:
        received = Received(checkpointed=True)
        assert shown(received.take(reply(0, 3, committed=3, ended=True))) == [0, 1, 2]
        assert received.ended

    def test_after_a_restart_those_come_again_that_were_in_no_checkpoint_and_are_shown_once(self) -> None:
        received = Received(checkpointed=True)
        received.take(reply(0, 5, committed=2))
        restarted = reply(1, 4, version=2, committed=3)
        assert shown(received.take(restarted)) == [2]
        assert received.question == CollectRequest(2, 4)
        assert shown(received.take(reply(4, 6, version=2, committed=6))) == [3, 4, 5]

    def test_records_that_were_shown_and_come_again_are_an_error_that_says_what_to_do(self) -> None:
        received = Received(checkpointed=False)
        received.take(reply(0, 5))
        with pytest.raises(ExecutionError, match=r"restarted and gives 3 records again .*; with checkpoints"):
            received.take(reply(0, 2, version=2, committed=2))

    def test_a_restart_before_anything_was_shown_does_no_harm(self) -> None:
        received = Received(checkpointed=False)
        received.take(reply(0, 0))
        assert shown(received.take(reply(0, 2, version=2))) == [0, 1]

    @pytest.mark.parametrize("checkpointed", [False, True])
    def test_a_job_that_began_at_a_savepoint_goes_on_with_what_its_predecessor_did_not_bring(
        self, *, checkpointed: bool
    ) -> None:
        received = Received(checkpointed=checkpointed)
        assert shown(received.take(reply(500, 503, committed=503))) == [500, 501, 502]
        assert received.question == CollectRequest(1, 503)
        assert shown(received.take(reply(503, 504, committed=504))) == [503]
        with pytest.raises(ExecutionError, match="record 506 came where record 504 was to come"):
            received.take(reply(506, 507, committed=507))

    def test_a_gap_is_an_error(self) -> None:
        received = Received(checkpointed=False)
        received.take(reply(0, 2))
        with pytest.raises(ExecutionError, match="record 3 came where record 2 was to come"):
            received.take(reply(3, 4))


def exec_in(names: dict[str, Any]) -> type:
    """A class of a program's text in a dictionary of its own."""
    exec("class Point:\n    def __init__(self, x):\n        self.x = x", names)
    dumps(names["Point"])  # as a function that makes one takes it along
    made: type = names["Point"]
    return made


class TestLoaded:
    """Records whose classes lie in no module."""

    @pytest.mark.parametrize("names", [{}, {"__name__": "program"}, {"__name__": "not.there"}])
    def test_a_class_of_an_exec(self, names: dict[str, Any]) -> None:
        point = exec_in(names)
        # As a worker writes it, which has put the class where its module and name say.
        data = b"".join([b"c", point.__module__.encode(), b"\nPoint\n)\x81}X\x01\x00\x00\x00xK\x05sb."])
        record = loaded(data)
        assert type(record) is point
        assert vars(record) == {"x": 5}

    def test_what_is_nowhere_is_refused(self) -> None:
        with pytest.raises(ExecutionError, match=r"nowhere.*must be defined at the top"):
            loaded(b"cnowhere\nThing\n.")


class Operator:
    """Answers as the collecting operator does: 100 records, forty an answer."""

    def __init__(self, fake: FakeJobManager, *, awaits_acknowledgement: bool = True) -> None:
        self.fake = fake
        self.first = 0
        self.not_yet = 3

    def ask(self, request: CollectRequest) -> CollectReply | None:
        if self.not_yet:
            self.not_yet -= 1
            return None
        self.first = max(self.first, request.offset)
        if self.first == 100:
            self.fake.show(status(JobState.FINISHED))
        end = min(self.first + 40, 100)
        return reply(self.first, end, committed=100, ended=end == 100)


@pytest.fixture
def fetch(fake: FakeJobManager, gateway: Gateway) -> Callable[[], list[int]]:
    fake.show(status())
    return lambda: list(RemoteJobClient(gateway, JOB).fetch_records(OPERATOR))


class TestFetch:
    """From the operator to the program."""

    def test_all_come_once_and_the_last_ones_are_acknowledged(
        self, fake: FakeJobManager, fetch: Callable[[], list[int]]
    ) -> None:
        operator = Operator(fake)
        fake.on_collect = operator.ask
        assert fetch() == list(range(100))
        assert operator.first == 100

    def test_a_job_without_records_ends_with_its_job(
        self, fake: FakeJobManager, fetch: Callable[[], list[int]]
    ) -> None:
        fake.show(status(JobState.FINISHED))
        assert fetch() == []

    def test_a_failure_of_the_job_comes_behind_the_records(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.show(status())

        def ask(request: CollectRequest) -> CollectReply | None:
            if request.offset == 0:
                return reply(0, 2)
            fake.show(status(JobState.FAILED, failure=failure("division by zero")))
            return None

        fake.on_collect = ask
        records = RemoteJobClient(gateway, JOB).fetch_records(OPERATOR)
        assert [next(records), next(records)] == [0, 1]
        with pytest.raises(JobFailedError, match="division by zero"):
            next(records)

    def test_a_cancelled_job_is_an_error(self, fake: FakeJobManager, fetch: Callable[[], list[int]]) -> None:
        fake.show(status(JobState.CANCELED))
        with pytest.raises(JobCanceledError):
            fetch()

    def test_a_program_that_takes_nothing_is_still_heard_of_and_gets_everything(
        self, fake: FakeJobManager, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("millstream.submission.records._MOST_READY", 50)
        monkeypatch.setattr("millstream.submission.records._STILL_HERE_S", 0.01)
        fake.show(status())
        operator, asked = Operator(fake), list[int]()

        def ask(request: CollectRequest) -> CollectReply | None:
            asked.append(request.offset)
            return operator.ask(request)

        fake.on_collect = ask
        records = RemoteJobClient(gateway, JOB).fetch_records(OPERATOR)
        first = next(records)
        until(lambda: asked.count(80) > 3, 20, "it is asked again and again for nothing new")
        assert [first, *records] == list(range(100))

    @pytest.mark.parametrize("restartable", [True, False])
    def test_a_record_that_can_not_travel_is_the_failure_of_its_job(
        self, fake: FakeJobManager, gateway: Gateway, restartable: bool
    ) -> None:
        refused = Failure(FailureKind.USER, "it can't be pickled", restartable=restartable)
        fake.on_collect = lambda _: refused
        fake.show(status(JobState.FAILED, failure=refused))
        with pytest.raises(JobFailedError, match="has failed: it can't be pickled"):
            next(RemoteJobClient(gateway, JOB).fetch_records(OPERATOR))

    def test_an_operator_that_can_not_answer_while_its_job_runs_is_an_error(
        self, fake: FakeJobManager, fetch: Callable[[], list[int]]
    ) -> None:
        fake.on_collect = lambda _: Failure(FailureKind.INTERNAL, "LookupError: task 5 runs no such operator")
        with pytest.raises(RequestRefusedError, match=f"operator {OPERATOR} .* can't be asked .*runs no such operator"):
            fetch()

    def test_an_operator_that_a_job_has_not_is_an_error(
        self, fake: FakeJobManager, fetch: Callable[[], list[int]]
    ) -> None:
        fake.refuse("Ask", grpc.StatusCode.NOT_FOUND, failure("it has no such operator"))
        with pytest.raises(RequestRefusedError, match="can't be asked for its records: it has no such operator"):
            fetch()

    @pytest.mark.parametrize("kind", [FailureKind.EXTERNAL, FailureKind.USER])
    def test_an_operator_whose_task_has_failed_is_asked_until_it_runs_again(
        self, fake: FakeJobManager, fetch: Callable[[], list[int]], kind: FailureKind
    ) -> None:
        operator = Operator(fake)
        fake.on_collect = lambda request: operator.ask(request) or Failure(kind, "its task is over")
        assert fetch() == list(range(100))

    def test_closing_ends_the_questions(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.show(status())
        fake.on_collect = lambda request: reply(request.offset, request.offset + 10)
        records = RemoteJobClient(gateway, JOB).fetch_records(OPERATOR)
        assert next(records) == 0
        records.close()  # type: ignore[attr-defined]  # it is a generator, which closes
