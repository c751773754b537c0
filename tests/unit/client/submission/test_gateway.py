"""Calls of a JobManager: what is tried again, and what a program is told."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from millstream.errors import (
    ClusterUnreachableError,
    ExecutionError,
    JobNotFoundError,
    RequestRefusedError,
)
from millstream.submission import gateway as gateway_module
from millstream.submission.addresses import join, target_of, with_address
from millstream.submission.executor import submit_job
from millstream.submission.gateway import Gateway, details_of
from millstream.submission.routes import Route
from millstream_dataflow.configuration import Configuration, ConfigurationError, Origin
from millstream_runtime.messages.client import JobStatus, StopJob, TriggerSavepoint
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JobState
from tests.support.clusters import free_port, until
from tests.unit.client.programs import compiled, environment, numbers
from tests.unit.client.submission.fake_jobmanager import JOB, FakeJobManager, failure, serving, status

LOOK = "'millstream info JOB' shows it then$"
NOT_STORED = failure("the request could not be stored: no space left", FailureKind.EXTERNAL)


def ask(gateway: Gateway, method: str) -> JobStatus:
    """One of the requests about a job."""
    match method:
        case "Cancel":
            return gateway.cancel(JOB)
        case "Stop":
            return gateway.stop(StopJob(JOB, "r", StopMode.STOP, ""))
        case _:
            return gateway.savepoint(TriggerSavepoint(JOB, "r", ""))


class Routed(Route):
    """Counts what it is told."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.told: list[str] = []
        self.channels: list[tuple[str, grpc.Channel]] = []

    def redirected(self, target: str) -> None:
        self.told.append(target)
        super().redirected(target)

    def lost(self) -> None:
        self.told.append("lost")
        super().lost()

    def channel(self) -> grpc.Channel:
        channel = super().channel()
        self.channels.append((self.target, channel))
        return channel

    def is_closed(self, number: int) -> bool:
        """The channel that was made after so many others."""
        channel: Any = self.channels[number][1]
        try:
            channel.unary_unary("/any/Method")(b"", timeout=0.01)
        except ValueError:
            return True
        except grpc.RpcError:
            return False
        raise AssertionError("nobody serves it")


class NamingError(grpc.RpcError):
    """A standby's refusal."""

    def __init__(self, leader: str) -> None:
        self.leader = leader

    def trailing_metadata(self) -> Any:  # noqa: ANN401  # gRPC's has no public name
        return (("millstream-leader", self.leader),)


class TestMoves:
    """From one JobManager to another."""

    def test_whoever_a_standby_names_is_tried(self) -> None:
        gateway = Gateway(route := Routed("home:1"), 1)
        gateway.move("home:1", NamingError("leader:1"))
        assert (gateway.target, route.told) == ("leader:1", ["leader:1"])
        gateway.close()

    def test_a_standby_that_names_itself_knows_nobody(self) -> None:
        """It has just ceased to lead: asking it for ever would be no use."""
        gateway = Gateway(route := Routed("home:1"), 1)
        gateway.move("home:1", NamingError("leader:1"))
        gateway.move("leader:1", NamingError("leader:1"))
        assert (gateway.target, route.told) == ("home:1", ["leader:1", "lost"])
        gateway.close()

    def test_another_thread_has_moved_already(self) -> None:
        gateway = Gateway(route := Routed("home:1"), 1)
        gateway.move("home:1", NamingError("leader:1"))
        gateway.move("home:1")
        assert (gateway.target, route.told) == ("leader:1", ["leader:1"])
        gateway.close()

    def test_each_move_is_by_a_new_connection(self) -> None:
        """To where one was before as well: a channel keeps the certificates that it began with."""
        gateway = Gateway(route := Routed("jm-1:1"), 1)
        gateway.move("jm-1:1")
        gateway.move("jm-1:1", NamingError("jm-2:1"))
        gateway.move("jm-2:1", NamingError("jm-1:1"))
        assert [target for target, _ in route.channels] == ["jm-1:1", "jm-1:1", "jm-2:1", "jm-1:1"]
        assert [route.is_closed(number) for number in range(4)] == [True, True, True, False]
        gateway.close()
        assert route.is_closed(3)

    @pytest.mark.parametrize("_number", range(8))
    def test_what_others_have_under_way_goes_on_and_then_the_former_connection_is_closed(
        self, fake: FakeJobManager, port: int, _number: int
    ) -> None:
        """A stream's end comes before its last message is taken as often as not. Whoever closes a channel waits for
        the thread that takes them.
        """
        fake.show(status())
        gateway = Gateway(route := Routed(home := f"127.0.0.1:{port}"), 10)
        stream = gateway.watch(JOB)
        assert details_of(next(stream)).status.state is JobState.RUNNING
        gateway.move(home)
        assert not route.is_closed(0)
        fake.show(status(JobState.FINISHED))
        assert details_of(next(stream)).status.state is JobState.FINISHED
        assert list(stream) == []
        until(lambda: route.is_closed(0), 10, "it is closed")
        assert gateway.details(JOB).status.state is JobState.FINISHED
        gateway.close()

    def test_a_stream_that_is_cancelled_on_a_former_connection_closes_it(self, fake: FakeJobManager, port: int) -> None:
        fake.show(status())
        gateway = Gateway(route := Routed(home := f"127.0.0.1:{port}"), 10)
        stream = gateway.output(JOB)
        stream.initial_metadata()
        gateway.move(home)
        assert not route.is_closed(0)
        stream.cancel()
        until(lambda: route.is_closed(0), 10, "it is closed")
        gateway.close()

    def test_a_gateway_that_is_closed_closes_former_connections_with_what_is_under_way(
        self, fake: FakeJobManager, port: int
    ) -> None:
        fake.show(status())
        gateway = Gateway(route := Routed(home := f"127.0.0.1:{port}"), 10)
        stream = gateway.output(JOB)
        stream.initial_metadata()
        gateway.move(home)
        gateway.close()
        assert route.is_closed(0)
        with pytest.raises(grpc.RpcError):
            next(stream)

    def test_many_calls_while_others_move_are_all_answered(self, fake: FakeJobManager, port: int) -> None:
        fake.show(status())
        gateway = Gateway(route := Routed(home := f"127.0.0.1:{port}"), 10)
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(gateway.details, JOB) for _ in range(200)]
            while not all(call.done() for call in calls):
                gateway.move(home)
            assert {call.result().status.state for call in calls} == {JobState.RUNNING}
        assert all(route.is_closed(number) for number in range(len(route.channels) - 1))
        gateway.close()


class TestCalls:
    """One call, from the first try to its answer."""

    def test_nobody_there_is_said_with_the_address_and_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gateway_module, "_LONG_S", 0.05)
        port = free_port()
        heard: list[str] = []
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.3, waiting=heard.append)
        expected = rf"127.0.0.1:{port} gave no answer for 0.3 s .*'millstream jobmanager' starts one, .*rpc.port"
        with pytest.raises(ClusterUnreachableError, match=expected):
            gateway.cluster()
        assert len(heard) == 1
        assert heard[0].startswith(f"waiting for the JobManager at 127.0.0.1:{port}")
        gateway.close()

    def test_nobody_there_is_said_without_the_address_that_was_tried_last(self) -> None:
        gateway = Gateway(Route(f"localhost:{free_port()}"), 0.3)
        with pytest.raises(
            ClusterUnreachableError, match=r"localhost:\d+ gave no answer for 0.3 s \(Connection refused\)"
        ):
            gateway.cluster()
        gateway.close()

    def test_an_answer_that_nothing_could_be_done_is_no_silence(self, fake: FakeJobManager, port: int) -> None:
        for _ in range(100):
            fake.refuse("Cluster", grpc.StatusCode.UNAVAILABLE, failure("no room on the disk", FailureKind.EXTERNAL))
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.3)
        with pytest.raises(ClusterUnreachableError, match=r"could not do it, .* 0.3 s: no room on the disk$"):
            gateway.cluster()
        gateway.close()

    def test_a_job_whose_acceptance_was_lost_is_named_with_how_to_look(self, fake: FakeJobManager, port: int) -> None:
        for _ in range(100):
            fake.refuse("Submit", grpc.StatusCode.UNAVAILABLE, after_effect=True)
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.3)
        env = environment()
        numbers(env).print()
        job = compiled(env, "my job")
        expected = rf'gave no answer .*; job "my job" \({job.graph.job}\) may be there all the same, and {LOOK}'
        with pytest.raises(ClusterUnreachableError, match=expected.replace("JOB", job.graph.job)) as caught:
            submit_job(gateway, job.graph, job.blobs, Configuration())
        assert list(fake.details) == [caught.value.job] == [job.graph.job]
        gateway.close()

    @pytest.mark.parametrize("method", ["Cancel", "Stop", "Savepoint"])
    def test_a_request_whose_answer_was_lost_may_be_done(self, fake: FakeJobManager, port: int, method: str) -> None:
        fake.show(status())
        for _ in range(100):
            fake.refuse(method, grpc.StatusCode.UNAVAILABLE, after_effect=True)
            fake.refuse(method, grpc.StatusCode.UNAVAILABLE, NOT_STORED)
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.3)
        expected = rf"what was asked may be done all the same, and {LOOK}".replace("JOB", JOB)
        with pytest.raises(ClusterUnreachableError, match=expected):
            ask(gateway, method)
        assert fake.asked
        gateway.close()

    @pytest.mark.parametrize(
        ("method", "follows"),
        [
            ("Cancel", "the job goes on, not cancelled"),
            ("Stop", "the job goes on, not stopped"),
            ("Savepoint", "no savepoint is taken"),
        ],
    )
    def test_what_could_not_be_stored_nor_sent_is_known_not_to_be_done(
        self, fake: FakeJobManager, method: str, follows: str
    ) -> None:
        fake.show(status())
        for _ in range(100):
            fake.refuse(method, grpc.StatusCode.UNAVAILABLE, NOT_STORED)
        with serving(fake) as port:
            gateway = Gateway(Route(f"127.0.0.1:{port}"), 0.3)
            with pytest.raises(
                ClusterUnreachableError, match=rf"could not be stored: no space left; so {follows}; ask again"
            ):
                ask(gateway, method)
        with pytest.raises(ClusterUnreachableError) as caught:
            ask(gateway, method)
        assert "all the same" not in str(caught.value)
        gateway.close()

    def test_too_few_open_files_are_not_waited_for(self, fake: FakeJobManager, gateway: Gateway) -> None:
        words = "blob x could not be written: [Errno 24] Too many open files: 'x'"
        fake.refuse("Cluster", grpc.StatusCode.UNAVAILABLE, failure(words, FailureKind.EXTERNAL))
        with pytest.raises(ExecutionError, match=r"answers: blob x .*; raise the limit of open files .*ulimit -n"):
            gateway.cluster()

    def test_a_call_is_tried_again_until_it_is_answered(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.show(status())
        fake.refuse("Details", grpc.StatusCode.UNAVAILABLE)
        fake.refuse("Details", grpc.StatusCode.DEADLINE_EXCEEDED)
        fake.refuse("Details", grpc.StatusCode.UNAVAILABLE, failure("another leads", FailureKind.EXTERNAL))
        assert gateway.details(JOB).status.state is JobState.RUNNING
        assert not fake.refusals

    def test_a_refusal_is_told_in_the_jobmanager_s_words_and_not_tried_again(
        self, fake: FakeJobManager, gateway: Gateway
    ) -> None:
        fake.show(status())
        fake.refuse("Cancel", grpc.StatusCode.FAILED_PRECONDITION, failure("nothing can be asked of it"))
        with pytest.raises(RequestRefusedError, match=r"^nothing can be asked of it$") as caught:
            gateway.cancel(JOB)
        assert caught.value.job == JOB
        assert not fake.asked

    def test_an_unknown_job_is_told_apart(self, gateway: Gateway) -> None:
        with pytest.raises(JobNotFoundError, match="there is no job 5f2c"):
            gateway.details(JOB)

    def test_something_else_that_listens_there_is_named(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.refuse("Cluster", grpc.StatusCode.UNIMPLEMENTED)
        with pytest.raises(ClusterUnreachableError, match=r"is no JobManager of this version .*check the address"):
            gateway.cluster()

    def test_a_status_without_a_failure_is_told_as_it_is(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.refuse("Cluster", grpc.StatusCode.INVALID_ARGUMENT)
        with pytest.raises(RequestRefusedError, match="answered INVALID_ARGUMENT: scripted"):
            gateway.cluster()

    @pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED])
    def test_too_many_calls_pass_and_are_tried_again(
        self, fake: FakeJobManager, gateway: Gateway, code: grpc.StatusCode
    ) -> None:
        """So gRPC says it; a JobManager would give a failure along."""
        fake.show(status())
        fake.refuse("Details", code)
        assert gateway.details(JOB).status.state is JobState.RUNNING
        assert not fake.refusals

    def test_a_message_that_is_too_large_for_grpc_is_final(self, fake: FakeJobManager) -> None:
        with serving(fake, longest=1) as port:
            gateway = Gateway(Route(f"127.0.0.1:{port}"), 60)
            with pytest.raises(RequestRefusedError, match="larger than max"):
                gateway.details(JOB)
            gateway.close()

    def test_what_a_jobmanager_says_is_too_large_is_final(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.refuse("Cluster", grpc.StatusCode.RESOURCE_EXHAUSTED, failure("the graph is too large"))
        with pytest.raises(RequestRefusedError, match="the graph is too large"):
            gateway.cluster()

    def test_a_cluster_that_is_known_to_be_gone_is_not_waited_for(self) -> None:
        gateway = Gateway(Route(f"127.0.0.1:{free_port()}"), 60, lambda: "the cluster was killed")
        with pytest.raises(ClusterUnreachableError, match=r"^the cluster was killed$"):
            gateway.cluster()
        gateway.close()

    def test_a_closed_gateway_answers_nothing(self, gateway: Gateway) -> None:
        gateway.close()
        with pytest.raises(ClusterUnreachableError, match="was closed by this program"):
            gateway.cluster()

    def test_what_no_jobmanager_says_is_an_error_of_the_execution(self) -> None:
        assert issubclass(RequestRefusedError, ExecutionError)


class TestAddresses:
    """Where the JobManager is."""

    @pytest.mark.parametrize(
        ("address", "target"),
        [
            ("jobs.example.com", "jobs.example.com:6123"),
            ("jobs.example.com:7000", "jobs.example.com:7000"),
            ("10.0.0.1:7000", "10.0.0.1:7000"),
            ("[::1]:7000", "[::1]:7000"),
            ("[::1]", "[::1]:6123"),
            ("::1", "[::1]:6123"),
        ],
    )
    def test_an_address_says_host_and_port(self, address: str, target: str) -> None:
        assert target_of(with_address(Configuration(), address, Origin.command_line("-m"))) == target

    @pytest.mark.parametrize("address", ["", ":6123", "[::1", "[::1]6123"])
    def test_what_is_no_address_is_refused_with_its_forms(self, address: str) -> None:
        with pytest.raises(ValueError, match="write host, host:port or"):
            with_address(Configuration(), address, Origin.command_line("-m"))

    def test_a_wrong_port_names_the_option(self) -> None:
        with pytest.raises(ConfigurationError, match=r"jobmanager.rpc.port = '70000' \(-m on the command line\)"):
            with_address(Configuration(), "host:70000", Origin.command_line("-m"))

    def test_an_ipv6_address_stands_in_brackets(self) -> None:
        assert join("::1", 1) == "[::1]:1"
