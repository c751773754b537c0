"""A job on its way to a cluster."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.errors import ExecutionError, JobRefusedError
from millstream.execution.context import ProgramContext
from millstream.submission import RemoteExecutor
from millstream.submission.executor import submit_job, without_effect
from millstream.submission.gateway import Gateway
from millstream.submission.uploads import CHUNK_SIZE, upload_all
from millstream_dataflow.configuration import PROGRAM, Configuration, Origin
from millstream_dataflow.identity import Digest
from millstream_runtime.messages.client import SubmitJob
from millstream_runtime.messages.codec import encode
from millstream_runtime.states import JobState
from tests.unit.client.programs import compiled, environment, numbers
from tests.unit.client.submission.fake_jobmanager import FakeJobManager, failure, status


def digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


class TestUploads:
    """Blobs in pieces."""

    def test_every_byte_arrives_in_pieces_of_at_most_128_kib(self, fake: FakeJobManager, gateway: Gateway) -> None:
        data = bytes(range(256)) * 1200
        upload_all(gateway, {digest(data): data})
        assert fake.blobs == {digest(data): data}
        assert fake.chunks == [CHUNK_SIZE, CHUNK_SIZE, len(data) - 2 * CHUNK_SIZE]

    def test_an_empty_blob_arrives_too(self, fake: FakeJobManager, gateway: Gateway) -> None:
        upload_all(gateway, {digest(b""): b""})
        assert fake.blobs == {digest(b""): b""}

    def test_a_blob_that_is_there_is_not_sent_again(self, fake: FakeJobManager, gateway: Gateway) -> None:
        data = bytes(10 << 20)
        fake.blobs[digest(data)] = data
        upload_all(gateway, {digest(data): data})
        assert fake.chunks == []

    def test_an_upload_that_broke_off_begins_anew(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.refuse("UploadBlob", grpc.StatusCode.UNAVAILABLE)
        upload_all(gateway, {digest(b"abc"): b"abc"})
        assert fake.blobs == {digest(b"abc"): b"abc"}

    def test_bytes_that_changed_on_their_way_are_noticed(self, fake: FakeJobManager, gateway: Gateway) -> None:
        fake.blobs[digest(b"abc")] = b"abcd"
        with pytest.raises(ExecutionError, match=r"of 3 bytes arrived at .* of 4 bytes"):
            upload_all(gateway, {digest(b"abc"): b"abc"})


class TestSubmit:
    """The graph, once its blobs are there."""

    def test_the_graph_and_all_it_refers_to_arrive(self, fake: FakeJobManager, gateway: Gateway) -> None:
        env = environment()
        numbers(env).print()
        job = compiled(env)
        configuration = Configuration.from_strings(
            {
                "execution.state-recovery.path": "/savepoints/1",
                "execution.state-recovery.ignore-unclaimed-state": "true",
                "execution.state-recovery.accept-duplicates": "true",
            }
        )
        answer = submit_job(gateway, job.graph, job.blobs, configuration)
        assert answer.state is JobState.CREATED
        [submitted] = fake.submitted
        assert submitted == SubmitJob(job.graph, submitted.graph_blob, "/savepoints/1", True, True)
        assert fake.blobs[submitted.graph_blob.digest] == encode(job.graph)
        assert set(job.blobs) < set(fake.blobs)

    @pytest.mark.parametrize("path", ["savepoints/1", "s3://bucket/1", ""])
    def test_a_relative_savepoint_is_one_of_this_program_s(
        self, fake: FakeJobManager, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        env = environment()
        numbers(env).print()
        job = compiled(env)
        given = {"execution.state-recovery.path": path} if path else {}
        submit_job(gateway, job.graph, job.blobs, Configuration.from_strings(given))
        expected = f"{tmp_path}/{path}" if path.startswith("savepoints") else path
        assert [one.restore_path for one in fake.submitted] == [expected]

    def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_id(
        self, fake: FakeJobManager, gateway: Gateway
    ) -> None:
        env = environment()
        numbers(env).print()
        job = compiled(env)
        fake.refuse("Submit", grpc.StatusCode.UNAVAILABLE, after_effect=True)
        submit_job(gateway, job.graph, job.blobs, Configuration())
        assert [one.graph.job for one in fake.submitted] == [job.graph.job] * 2
        assert list(fake.details) == [job.graph.job]

    def test_a_refusal_names_the_job_and_the_reason(self, fake: FakeJobManager, gateway: Gateway) -> None:
        env = environment()
        numbers(env).print()
        job = compiled(env, "my job")
        fake.refuse("Submit", grpc.StatusCode.INVALID_ARGUMENT, failure("pyarrow is another"))
        with pytest.raises(JobRefusedError, match=r'job "my job" \(0+\) is refused: pyarrow is another') as caught:
            submit_job(gateway, job.graph, job.blobs, Configuration())
        assert caught.value.job == job.graph.job


def test_a_program_is_run_by_the_cluster_that_its_configuration_names(fake: FakeJobManager, port: int) -> None:
    def finish(job: SubmitJob) -> None:
        fake.show(replace(status(JobState.FINISHED), job=job.graph.job))

    fake.on_request = finish
    settings = {"jobmanager.rpc.address": "127.0.0.1", "jobmanager.rpc.port": str(port)}
    env = StreamExecutionEnvironment(ProgramContext(Configuration.from_strings(settings), executor=RemoteExecutor()))
    numbers(env).print()
    result = env.execute("my job")
    assert [one.graph.name for one in fake.submitted] == ["my job"]
    assert result.get_net_runtime() == 2500


class TestNotices:
    """Keys that the cluster was started with, given to a job."""

    def test_each_is_said_once(
        self, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("millstream.submission.executor._noticed", set[str]())
        given = {"slot.request.timeout": "2s", "jobmanager.rpc.port": str(port), "jobmanager.rpc.address": "127.0.0.1"}
        configuration = Configuration.from_strings(given, Origin.command_line())
        with caplog.at_level(logging.WARNING, "millstream"):
            for name in ("one", "other"):
                env = environment()
                numbers(env).print()
                job = compiled(env, name)
                RemoteExecutor().submit(job.graph, job.blobs, configuration)
        assert caplog.messages == [
            "slot.request.timeout (-D on the command line) belongs to the cluster, has no effect here"
        ]

    def test_a_file_may_be_the_cluster_s_own(self) -> None:
        given = {"slot.request.timeout": "2s", "parallelism.default": "2"}
        assert list(without_effect(Configuration.from_strings(given, Origin.file("millstream.yaml")))) == []
        assert [one.key for one in without_effect(Configuration.from_strings(given, PROGRAM))] == [
            "slot.request.timeout"
        ]
