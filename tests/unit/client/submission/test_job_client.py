"""What a program can do with a job of a cluster."""

import os
import signal
import threading
from dataclasses import replace
from functools import partial

import grpc
import pytest

from millstream.errors import (
    ClusterUnreachableError,
    JobCanceledError,
    JobFailedError,
    JobNotFoundError,
    RequestRefusedError,
    SavepointFailedError,
)
from millstream.submission import output
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.output import TaskOutputReader
from millstream.submission.program_streams import ProgramStreams
from millstream.submission.routes import Route
from millstream.submission.waiting import WaitingRoom
from millstream_dataflow.identity import JobId, SubtaskId, VertexId
from millstream_runtime.messages.client import CancelJob, JobDetails, StopJob, TriggerSavepoint
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JobState
from tests.support.clusters import until
from tests.unit.client.submission.fake_jobmanager import JOB, FakeJobManager, failure, printed, serving, status


@pytest.fixture
def job(fake: FakeJobManager, gateway: Gateway) -> RemoteJobClient:
    """A running job."""
    fake.show(status())
    return RemoteJobClient(gateway, JOB)


def wait_for_watcher(fake: FakeJobManager, number: int = 1) -> None:
    with fake.changed:
        assert fake.changed.wait_for(lambda: fake.watchers >= number, 20)


class TestTheEnd:
    """`get_job_execution_result`."""

    def test_a_job_that_finishes_gives_its_run_time(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        future = job.get_job_execution_result()
        wait_for_watcher(fake)
        assert not future.done()
        fake.show(status(JobState.FINISHED))
        assert future.result(20).get_net_runtime() == 2500
        assert job.get_job_execution_result() is future

    def test_a_failure_carries_the_root_cause_in_words_and_in_parts(
        self, fake: FakeJobManager, job: RemoteJobClient
    ) -> None:
        cause = Failure(
            FailureKind.USER, "ZeroDivisionError: division by zero", "Map", "0", "job.py:7: 1 / x", "Traceback\n\n  x\n"
        )
        fake.show(status(JobState.FAILED, failure=cause))
        with pytest.raises(JobFailedError) as caught:
            job.get_job_execution_result().result(20)
        assert str(caught.value) == (
            f'job "test" ({JOB}) has failed: ZeroDivisionError: division by zero\n'
            "  operator: Map\n  record: 0\n  at: job.py:7: 1 / x\n  Traceback\n\n    x"
        )
        assert caught.value.failure == cause

    def test_a_cancelled_job_is_told_apart(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        fake.show(status(JobState.CANCELED))
        error = job.get_job_execution_result().exception(20)
        assert isinstance(error, JobCanceledError)

    def test_an_unknown_job_is_an_error(self, gateway: Gateway) -> None:
        with pytest.raises(JobNotFoundError):
            RemoteJobClient(gateway, JobId("9" * 32)).get_job_execution_result().result(20)

    def test_a_jobmanager_that_dies_and_comes_back_is_followed_on(self, fake: FakeJobManager) -> None:
        fake.show(status())
        with serving(fake) as port:
            gateway = Gateway(Route(f"127.0.0.1:{port}"), 10)
            future = RemoteJobClient(gateway, JOB).get_job_execution_result()
            wait_for_watcher(fake)
        with serving(fake, f"127.0.0.1:{port}"):
            wait_for_watcher(fake, 2)
            fake.show(status(JobState.FINISHED))
            assert future.result(20).get_job_id() == JOB
            gateway.close()

    def test_a_jobmanager_with_too_many_calls_ends_no_program(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        """That is gRPC's own word, without a failure of ours."""
        fake.show(status(JobState.FINISHED))
        fake.refuse("Watch", grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert job.get_job_execution_result().result(20).get_job_id() == JOB
        assert not fake.refusals

    def test_a_stream_s_own_deadline_is_no_outage(
        self, fake: FakeJobManager, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("millstream.submission.gateway._ATTEMPT_S", 0.3)
        monkeypatch.setattr("millstream.submission.gateway._LONG_S", 0.0)
        heard: list[str] = []
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 20, waiting=heard.append)
        fake.show(status(JobState.CREATED, note="waiting for 1 of 1 slot"))
        future = RemoteJobClient(gateway, JOB).get_job_execution_result()
        wait_for_watcher(fake, 3)
        fake.show(status(JobState.FINISHED))
        future.result(20)
        assert heard == []
        gateway.close()

    def test_each_outage_is_said_once_and_that_the_job_goes_on(
        self, fake: FakeJobManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("millstream.submission.gateway._LONG_S", 0.0)
        heard: list[str] = []

        def said(times: int) -> bool:
            return len(heard) == times

        fake.show(status())
        with serving(fake) as port:
            gateway = Gateway(Route(f"127.0.0.1:{port}"), 20, waiting=heard.append)
            client = RemoteJobClient(gateway, JOB)
            future = client.get_job_execution_result()
            wait_for_watcher(fake)
            client.get_job_status().result(20)  # so what the watcher was told has come as well
        for outage in (1, 2):
            until(partial(said, outage), 20, "it is said")
            with serving(fake, f"127.0.0.1:{port}"):
                wait_for_watcher(fake, outage + 1)
                client.get_job_status().result(20)
                if outage == 2:
                    fake.show(status(JobState.FINISHED))
                    future.result(20)
        for line in heard:
            assert line.startswith(f"waiting for the JobManager at 127.0.0.1:{port} (")
            assert line.endswith("); the job goes on")
        gateway.close()

    def test_a_jobmanager_that_stays_away_is_given_up(self, fake: FakeJobManager) -> None:
        fake.show(status())
        with serving(fake) as port:
            gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.1)  # and so one second for a job
            future = RemoteJobClient(gateway, JOB).get_job_execution_result()
            wait_for_watcher(fake)
        with pytest.raises(
            ClusterUnreachableError, match=rf"gave no answer for 1 s .* 'millstream info {JOB}' shows how it is$"
        ):
            future.result(20)
        gateway.close()

    def test_whoever_observes_sees_every_change_in_the_thread_that_waits(
        self, fake: FakeJobManager, job: RemoteJobClient
    ) -> None:
        seen: list[tuple[JobState, bool]] = []

        def observe(details: JobDetails) -> None:
            state = details.status.state
            seen.append((state, threading.current_thread() is threading.main_thread()))
            if state is JobState.RUNNING:
                fake.show(status(JobState.FINISHED))

        job.observe(observe)
        job.get_job_execution_result().result(20)
        assert seen == [(JobState.RUNNING, True), (JobState.FINISHED, True)]

    def test_it_takes_no_longer_than_one_is_ready_to_wait(self, job: RemoteJobClient) -> None:
        with pytest.raises(TimeoutError):
            job.get_job_execution_result().result(0.01)

    def test_an_interrupt_ends_the_waiting_and_not_the_job(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        job.observe(lambda _: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            job.get_job_execution_result().result(20)
        assert not fake.asked


class TestOutput:
    """What tasks print."""

    def test_it_reaches_the_streams_of_the_thread_that_waits_before_the_result_does(
        self, fake: FakeJobManager, gateway: Gateway, capsys: pytest.CaptureFixture[str]
    ) -> None:
        room = WaitingRoom()
        reader = TaskOutputReader(gateway, JOB, room)
        reader.start()
        assert fake.listeners == 1
        fake.show(status())
        job = RemoteJobClient(gateway, JOB, room, reader)
        for number in range(100):
            fake.print_(printed(f"{number}\n"))
        fake.print_(printed("careful\n", error_stream=True))
        fake.show(status(JobState.FINISHED))
        job.get_job_execution_result().result(20)
        captured = capsys.readouterr()
        assert captured.out == "".join(f"{number}\n" for number in range(100))
        assert captured.err == "careful\n"

    def test_while_nobody_waits_it_is_written_nevertheless(
        self, fake: FakeJobManager, gateway: Gateway, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.show(status())
        reader = TaskOutputReader(gateway, JOB, WaitingRoom())
        reader.start()
        fake.print_(printed("1> a\n"))
        fake.show(status(JobState.FINISHED))
        reader.finish()
        assert capsys.readouterr().out == "1> a\n"

    def test_lines_that_come_in_pieces_are_not_torn_by_those_of_others(
        self, fake: FakeJobManager, gateway: Gateway, capsys: pytest.CaptureFixture[str]
    ) -> None:
        reader = TaskOutputReader(gateway, JOB, WaitingRoom())
        reader.start()
        other = replace(printed("").task, subtask=SubtaskId(VertexId("other"), 1))
        for number, text in enumerate(("a long ", "line", "\nand ")):
            fake.print_(printed(text))
            fake.print_(replace(printed(f"other {number}\n"), task=other))
        fake.print_(printed("more\nthe rest"))
        fake.show(status(JobState.FINISHED))
        reader.finish()
        lines = ["other 0", "other 1", "a long line", "other 2", "and more", "the rest"]
        assert capsys.readouterr().out == "\n".join(lines)

    def test_what_is_missing_is_said_at_the_end(
        self, fake: FakeJobManager, gateway: Gateway, capsys: pytest.CaptureFixture[str]
    ) -> None:
        reader = TaskOutputReader(gateway, JOB, WaitingRoom())
        reader.start()
        for dropped in (1_000, 234):
            fake.print_(replace(printed("[a note]\n", error_stream=True), dropped=dropped))
        fake.print_(printed("last\n"))
        fake.show(status(JobState.FINISHED))
        reader.finish()
        captured = capsys.readouterr()
        assert captured.out == "last\n"
        assert captured.err.splitlines()[-1].startswith(f"WARNING: 1,234 lines of output of job {JOB} missing")

    def test_a_slow_stdout_loses_nothing(
        self,
        fake: FakeJobManager,
        gateway: Gateway,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(output, "_LISTENING_S", 0.3)
        reader = TaskOutputReader(gateway, JOB, WaitingRoom())
        goes_on = threading.Event()
        monkeypatch.setattr(ProgramStreams, "write", lambda *_, **__: goes_on.wait(20))
        reader.start()
        for number in range(5):
            fake.print_(printed(f"{number}\n"))
        fake.show(status(JobState.FINISHED))
        finishing = threading.Thread(target=reader.finish)
        until(lambda: reader._is_writing, 20, "it writes")
        finishing.start()
        finishing.join(1)
        assert finishing.is_alive()
        goes_on.set()
        finishing.join(20)
        assert not finishing.is_alive()
        assert reader._heard == 5


class TestRequests:
    """State, cancel, savepoint, stop."""

    def test_the_state_is_that_of_now(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        assert job.get_job_status().result(20) is JobState.RUNNING
        fake.show(status(JobState.RESTARTING))
        assert job.get_job_status().result(20) is JobState.RESTARTING
        assert job.get_job_id() == JOB

    def test_cancel_is_done_when_the_job_has_ended(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        future = job.cancel()
        wait_for_watcher(fake)
        assert fake.asked == [CancelJob(JOB)]
        assert not future.done()
        fake.show(status(JobState.CANCELED))
        assert future.result(20) is None

    def test_a_job_that_has_ended_can_be_cancelled_without_effect(
        self, fake: FakeJobManager, job: RemoteJobClient
    ) -> None:
        fake.show(status(JobState.FINISHED))
        fake.refuse("Cancel", grpc.StatusCode.FAILED_PRECONDITION, failure("it is FINISHED"))
        assert job.cancel().result(20) is None

    def test_a_cancel_that_is_refused_is_an_error(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        fake.refuse("Cancel", grpc.StatusCode.FAILED_PRECONDITION, failure("not now"))
        with pytest.raises(RequestRefusedError, match="not now"):
            job.cancel().result(20)

    def test_a_savepoint_s_path_is_told_when_it_is_taken(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        future = job.trigger_savepoint("/savepoints")
        wait_for_watcher(fake)
        [request] = fake.asked
        assert request == TriggerSavepoint(JOB, request.request, "/savepoints")
        fake.answer_savepoint("another", "/savepoints/0")
        fake.answer_savepoint(request.request)
        assert not future.done()
        fake.answer_savepoint(request.request, "/savepoints/1")
        assert future.result(20) == "/savepoints/1"

    def test_a_savepoint_whose_request_was_lost_is_asked_for_under_the_same_name(
        self, fake: FakeJobManager, job: RemoteJobClient
    ) -> None:
        fake.refuse("Savepoint", grpc.StatusCode.UNAVAILABLE, after_effect=True)
        future = job.trigger_savepoint()
        wait_for_watcher(fake)
        assert len(fake.asked) == 2
        assert fake.asked[0] == fake.asked[1]
        fake.answer_savepoint(fake.asked[0].request, "/savepoints/1")
        assert future.result(20) == "/savepoints/1"

    def test_a_savepoint_that_fails_says_why(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        fake.on_request = lambda ask: fake.answer_savepoint(ask.request, failure=failure("no room on the disk"))
        with pytest.raises(SavepointFailedError, match=rf"no savepoint of job {JOB} was taken: no room on the disk"):
            job.trigger_savepoint().result(20)

    def test_a_job_that_ends_first_has_no_savepoint(self, fake: FakeJobManager, job: RemoteJobClient) -> None:
        fake.on_request = lambda _: fake.show(status(JobState.FINISHED))
        with pytest.raises(SavepointFailedError, match="ended before a savepoint"):
            job.trigger_savepoint().result(20)

    @pytest.mark.parametrize(("drain", "mode"), [(False, StopMode.STOP), (True, StopMode.DRAIN)])
    def test_stop_gives_the_path_when_the_job_has_ended(
        self, fake: FakeJobManager, job: RemoteJobClient, drain: bool, mode: StopMode
    ) -> None:
        future = job.stop_with_savepoint(drain, "/savepoints")
        wait_for_watcher(fake)
        [request] = fake.asked
        assert request == StopJob(JOB, request.request, mode, "/savepoints")
        fake.answer_savepoint(request.request, "/savepoints/1")
        assert not future.done()
        fake.show(status(JobState.FINISHED))
        assert future.result(20) == "/savepoints/1"

    def test_a_stop_that_can_t_be_taken_leaves_the_job_running(
        self, fake: FakeJobManager, job: RemoteJobClient
    ) -> None:
        fake.on_request = lambda ask: fake.answer_savepoint(ask.request, failure=failure("declined"))
        with pytest.raises(SavepointFailedError, match="declined"):
            job.stop_with_savepoint(False).result(20)
