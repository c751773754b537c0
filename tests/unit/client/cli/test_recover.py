"""`millstream recover`, as somebody uses it whose ZooKeeper is gone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import main
from millstream_dataflow.identity import CheckpointId, Epoch, JobId
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.store import LocalJobStore
from millstream_jobmanager.store.sealed import seal
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.record import CompletedCheckpoint, Intent, JobRecord, SavepointResult
from millstream_runtime.states import JobState
from tests.unit.client.submission.fake_jobmanager import FakeJobManager, failure
from tests.unit.jobmanager.store.samples import DONE, JOB, OTHER, digest, put_job
from tests.unit.runtime.checkpoint_files.samples import flip, write_checkpoint

Invoke = Callable[..., Result]


class Storage:
    """A storage directory with the store of one cluster, or itself one."""

    def __init__(self, directory: Path, cluster: str = "") -> None:
        self.directory = directory
        self.store = directory / cluster
        self._open = LocalJobStore(self.store)
        self._open.open(Epoch(0))
        self._open.close()

    def put(self, job: JobId = JOB, **changes: Any) -> JobRecord:  # noqa: ANN401  # of any field
        """A job with its graph, functions and an artifact; its record is changed so."""
        store = LocalJobStore(self.store)
        store.open(Epoch(0))
        put_job(store, job, b"functions", b"code")
        (record,) = [known for known in store.recover() if known.job == job]
        record = replace(record, version=2, nonce="changed", **changes)
        assert store.put(record) == DONE
        store.close()
        return record

    def checkpoint(self, number: int, epoch: int = 3, job: JobId = JOB) -> str:
        """Complete."""
        return write_checkpoint(f"{self.store}/checkpoints", number, epoch, job)

    def damage(self, path: str) -> None:
        """A byte of its data."""
        flip(next(file for file in Path(path).iterdir() if file.name != "_metadata"), 20, 1)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "storage", "default")


def point(path: str, number: int, kind: SnapshotKind = SnapshotKind.CHECKPOINT) -> CompletedCheckpoint:
    return CompletedCheckpoint(CheckpointId(number), Epoch(3), kind, path, 1_700_000_000_000, 0, discardable=True)


def recover(directory: object, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["recover", "--from", str(directory), *arguments])


def found(directory: object, *arguments: str, code: ExitCode = ExitCode.FINISHED) -> list[dict[str, Any]]:
    result = recover(directory, "--json", *arguments)
    assert result.exit_code == code, result.stderr
    return list(json.loads(result.stdout))


# ------------------------------------------------------------ what is there


def test_a_person_sees_each_job_with_its_latest_checkpoint_and_what_to_do(storage: Storage) -> None:
    storage.put()
    storage.checkpoint(11, epoch=2)
    latest = storage.checkpoint(9)
    result = recover(storage.directory)
    assert result.exit_code == ExitCode.FINISHED
    assert f'Job "sample" ({JOB}): not ended (stored as RUNNING)' in result.stdout
    assert f"latest checkpoint: {latest}, completed 20" in result.stdout, "by epoch, then by id"
    assert f"  millstream run -s {latest} SCRIPT" in result.stdout


def test_a_program_gets_the_same(storage: Storage) -> None:
    storage.put()
    latest = storage.checkpoint(7)
    (job,) = found(storage.directory)
    assert job["store"] == str(storage.store)
    assert (job["job"], job["name"], job["state"], job["submitted_at"]) == (JOB, "sample", "RUNNING", 1_700_000_000_000)
    assert job["checkpoint"] == {
        "path": latest,
        "checkpoint": 7,
        "epoch": 3,
        "completed_at": 1_700_000_000_000,
        "newest": True,
    }
    assert job["command"] == f"millstream run -s {latest} SCRIPT"
    assert job["problems"] == []


@pytest.mark.parametrize("of", ["directory", "store"])
@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_the_directory_may_be_that_of_all_clusters_or_of_one(storage: Storage, of: str, form: str) -> None:
    storage.put()
    latest = storage.checkpoint(7)
    (job,) = found(form.format(getattr(storage, of)))
    assert str(job["checkpoint"]["path"]).removeprefix("file://") == latest


def test_several_clusters_and_jobs(storage: Storage) -> None:
    storage.put()
    storage.put(OTHER)
    another = Storage(storage.directory, "another")
    another.put()
    assert [(job["store"], job["job"]) for job in found(storage.directory)] == [
        (str(another.store), JOB),
        (str(storage.store), OTHER),
        (str(storage.store), JOB),
    ]
    assert [job["job"] for job in found(storage.directory, OTHER[:6])] == [OTHER]


def test_the_newest_record_of_several_files_counts(storage: Storage) -> None:
    """As several JobManagers leave them, one of which has died, or whose ZooKeeper was lost before."""
    record = storage.put()
    jobs = storage.store / "jobs"
    (jobs / f"{JOB}.record").unlink()
    for version, incarnation, changes in (
        (7, "0000000a", {"name": "before the loss"}),
        (2, "0000000b", {"submitted_at": record.submitted_at + 5, "name": "older"}),
        (3, "0000000b", {"submitted_at": record.submitted_at + 5, "name": "newest"}),
    ):
        content = seal(encode(replace(record, version=version, **changes)))
        (jobs / f"{JOB}.{version}-{incarnation}-0123456789abcdef.record").write_bytes(content)
    assert [job["name"] for job in found(storage.directory)] == ["newest"]


def test_checkpoints_lie_where_the_record_says_or_where_somebody_knows(storage: Storage, tmp_path: Path) -> None:
    elsewhere = write_checkpoint(str(tmp_path / "elsewhere"), 8)
    saved = point(f"{tmp_path}/saved/savepoint-{JOB}-9", 9, SnapshotKind.SAVEPOINT)
    storage.put(checkpoints=(point(elsewhere, 8), saved))
    storage.put(OTHER)
    jobs = {job["job"]: job for job in found(storage.directory)}
    assert jobs[JOB]["checkpoint"]["path"] == elsewhere
    assert jobs[OTHER]["checkpoints"] == f"{storage.store}/checkpoints"
    moved = write_checkpoint(str(tmp_path / "moved"), 8)
    jobs = {job["job"]: job for job in found(storage.directory, "--checkpoints", f"{tmp_path}/moved/")}
    assert jobs[JOB]["checkpoint"]["path"] == moved


def test_a_damaged_checkpoint_is_named_and_the_next_one_is_shown(storage: Storage) -> None:
    storage.put()
    older, newest = storage.checkpoint(6), storage.checkpoint(7)
    storage.damage(newest)
    (job,) = found(storage.directory, code=ExitCode.FAILED)
    assert (job["checkpoint"]["path"], job["checkpoint"]["newest"]) == (older, False)
    (problem,) = job["problems"]
    assert problem.startswith(f"checkpoint {newest} is damaged: ")
    result = recover(storage.directory)
    assert (result.exit_code, "PROBLEM: checkpoint" in result.stdout) == (ExitCode.FAILED, True)
    assert f"newest whole checkpoint: {older}" in result.stdout


def test_a_checkpoint_that_the_record_knows_and_nobody_has_is_named(storage: Storage, tmp_path: Path) -> None:
    storage.put(checkpoints=(point(f"{tmp_path}/lost/{JOB}/chk-8", 8),))
    (job,) = found(storage.directory, code=ExitCode.FAILED)
    assert job["problems"] == [
        f"checkpoint {tmp_path}/lost/{JOB}/chk-8 of its record isn't there; --checkpoints says where it is"
    ]


@pytest.mark.parametrize("damage", ["record", "graph"])
def test_what_else_is_damaged_is_named_and_other_jobs_are_shown(storage: Storage, damage: str) -> None:
    record = storage.put()
    storage.put(OTHER)
    file = storage.store / ("jobs" if damage == "record" else "blobs")
    file = file / (f"{JOB}.record" if damage == "record" else record.graph.digest)
    file.write_bytes(b"garbage" * 10)
    jobs = {job["job"]: job for job in found(storage.directory, code=ExitCode.FAILED)}
    (problem,) = jobs[JOB]["problems"]
    assert str(file) in problem
    assert jobs[OTHER]["problems"] == []


def test_a_directory_without_a_store_is_a_wrong_use(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        result = recover(directory)
        assert (result.exit_code, "there is no job store in" in result.stderr) == (ExitCode.USAGE, True)
    (tmp_path / "file").touch()
    for unreadable in (tmp_path / "file", "gopher://host/directory"):
        result = recover(unreadable)
        assert (result.exit_code, "can't be read" in result.stderr) == (ExitCode.USAGE, True)


def test_a_job_that_isn_t_there_is_refused_by_its_name(storage: Storage) -> None:
    """Also beside one that is: whoever asks believes otherwise that it was submitted."""
    storage.put()
    result = recover(storage.directory, JOB[:5].upper(), "nosuchjob", "--submit")
    assert result.exit_code == ExitCode.REFUSED
    assert f"no job's id begins with nosuchjob in {storage.directory}" in result.stderr


def test_savepoints_that_somebody_asked_for_are_shown(storage: Storage) -> None:
    """After a stop that is all that the job has."""
    saved = SavepointResult("stop", "/saved/savepoint-1")
    storage.put(state=JobState.FINISHED, results=(SavepointResult("lost", ""), saved))
    assert "  savepoint: /saved/savepoint-1\n" in recover(storage.directory).stdout
    assert found(storage.directory)[0]["savepoints"] == ["/saved/savepoint-1"]


def test_a_store_without_jobs(storage: Storage) -> None:
    assert found(storage.directory) == []
    assert recover(storage.directory).stdout == "There are no jobs.\n"


# ------------------------------------------------------------ submitted again


def test_a_job_is_submitted_with_all_that_it_needs_from_its_newest_checkpoint(
    storage: Storage, invoke: Invoke, fake: FakeJobManager
) -> None:
    record = storage.put()
    storage.checkpoint(6)
    newest = storage.checkpoint(7)
    for said in ("submitted: it is CREATED", "left alone: the cluster has it, and it is CREATED"):
        result = invoke("recover", "--from", str(storage.directory), "--submit")
        assert result.exit_code == ExitCode.FINISHED, result.stderr
        assert said in result.stdout
    (first,) = fake.submitted
    assert (first.graph.job, first.graph_blob, first.restore_path) == (JOB, record.graph, newest)
    assert {digest(b"functions"), digest(b"code"), record.graph.digest} <= set(fake.blobs)


def test_one_without_a_checkpoint_begins_where_it_began(storage: Storage, invoke: Invoke, fake: FakeJobManager) -> None:
    storage.put(OTHER, restore=point("/saved/savepoint-1", 1, SnapshotKind.SAVEPOINT))
    storage.put()
    assert invoke("recover", "--from", str(storage.directory), "--submit").exit_code == ExitCode.FINISHED
    assert [job.restore_path for job in fake.submitted] == ["/saved/savepoint-1", ""]


@pytest.mark.parametrize(
    "changes", [{"state": JobState.FINISHED}, {"state": JobState.CANCELED}, {"intent": Intent.CANCEL}]
)
def test_one_that_has_ended_or_should_end_is_left_alone(
    storage: Storage, invoke: Invoke, fake: FakeJobManager, changes: dict[str, Any]
) -> None:
    storage.put(**changes)
    assert invoke("recover", "--from", str(storage.directory), "--submit").exit_code == ExitCode.FINISHED
    assert fake.submitted == []


@pytest.mark.parametrize("damage", ["checkpoint", "functions"])
def test_one_with_a_problem_is_not_submitted_and_the_others_are(
    storage: Storage, invoke: Invoke, fake: FakeJobManager, damage: str
) -> None:
    storage.put()
    storage.put(OTHER)
    storage.checkpoint(6)
    newest = storage.checkpoint(7)
    if damage == "checkpoint":
        storage.damage(newest)
    else:
        (storage.store / "blobs" / digest(b"functions")).write_bytes(b"others")
    result = invoke("recover", "--from", str(storage.directory), "--submit")
    assert result.exit_code == ExitCode.FAILED
    assert f"job {JOB} was not submitted" in result.stdout
    assert [job.graph.job for job in fake.submitted] == ([OTHER] if damage == "checkpoint" else [])


def test_a_refused_one_is_told(storage: Storage, invoke: Invoke, fake: FakeJobManager) -> None:
    storage.put()
    refused = failure("no such operator", FailureKind.USER)
    fake.refuse("Submit", grpc.StatusCode.INVALID_ARGUMENT, refused)
    result = invoke("recover", "--from", str(storage.directory), "--submit")
    assert result.exit_code == ExitCode.FAILED
    assert "no such operator" in result.stdout


def test_without_a_cluster_nothing_is_submitted(storage: Storage) -> None:
    storage.put()
    result = recover(storage.directory, "--submit", "-m", "127.0.0.1:1", "-D", "client.timeout=200 ms")
    assert result.exit_code == ExitCode.CLUSTER_UNREACHABLE
