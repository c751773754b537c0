"""`list`, `info`, `cancel`, `stop`, `savepoint`: what they ask, print and end with."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import main
from millstream_dataflow.identity import (
    CheckpointId,
    JobId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.client import (
    CancelJob,
    CheckpointCounts,
    CheckpointView,
    EdgeAudit,
    OperatorAudit,
    StopJob,
    TaskView,
    TriggerSavepoint,
)
from millstream_runtime.messages.session import MetricKind, StopMode, TaskTotals, UserMetric
from millstream_runtime.states import JobState, TaskState
from tests.support.certificates import WorkingSet
from tests.support.clusters import free_port
from tests.unit.client.cli.conftest import Invoke
from tests.unit.client.submission.fake_jobmanager import JOB, OTHER, FakeJobManager, failure, status

FORM = "that takes its id of 32 hexadecimal digits, or at least the first 4"
COMMAND = "import sys; sys.argv[0] = 'millstream'; from millstream.cli.entry import main; main()"


class TestList:
    """`millstream list`."""

    def test_jobs_that_have_not_ended_are_a_line_each(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status(JobState.CREATED, note="waiting for 3 of 4 slots"))
        fake.show(status(JobState.FINISHED, OTHER))
        result = invoke("list")
        assert result.exit_code == ExitCode.FINISHED
        head, line = result.stdout.splitlines()
        assert head.split() == ["JOB", "NAME", "STATE", "SUBMITTED", "ENDED"]
        assert line.startswith(f"{JOB}  test  CREATED, waiting for 3 of 4 slots  ")

    @pytest.mark.parametrize(
        ("options", "states"),
        [
            ((), {"CREATED", "RUNNING", "RESTARTING"}),
            (("-s",), {"CREATED"}),
            (("-r",), {"RUNNING", "RESTARTING"}),
            (("-r", "-s"), {"CREATED", "RUNNING", "RESTARTING"}),
            (("-a",), {"CREATED", "RUNNING", "RESTARTING", "FAILED"}),
        ],
    )
    def test_options_choose_among_them(
        self, fake: FakeJobManager, invoke: Invoke, options: tuple[str, ...], states: set[str]
    ) -> None:
        for number, state in enumerate((JobState.CREATED, JobState.RUNNING, JobState.RESTARTING, JobState.FAILED)):
            fake.show(status(state, type(JOB)(f"{number}" * 32)))
        rows = json.loads(invoke("list", "--json", *options).stdout)
        assert {row["state"] for row in rows} == states

    def test_a_name_with_a_line_feed_stays_in_its_line(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status(name="a\nb\x1b[2J Wörter"))
        assert "  a\\nb\\x1b[2J Wörter  RUNNING  " in invoke("list").stdout.splitlines()[1]
        assert f'Job "a\\nb\\x1b[2J Wörter" ({JOB}): RUNNING' in invoke("info", JOB).stdout

    def test_an_empty_cluster_is_said(self, invoke: Invoke) -> None:
        assert invoke("list").stdout == "No job runs; --all shows those that have ended.\n"
        assert invoke("list", "-a").stdout == "There are no jobs.\n"
        assert json.loads(invoke("list", "--json").stdout) == []

    def test_nobody_there_ends_with_3(self) -> None:
        arguments = ["list", "-m", f"127.0.0.1:{free_port()}", "-D", "client.timeout=200ms"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == ExitCode.CLUSTER_UNREACHABLE
        assert "gave no answer for 0.2 s" in result.stderr

    def test_a_file_of_tls_that_cannot_be_used_is_a_wrong_use(self) -> None:
        definitions = ("security.ssl.rest.enabled=true", "security.ssl.rest.truststore=/nowhere/ca.crt")
        result = CliRunner().invoke(main, ["list", *(part for text in definitions for part in ("-D", text))])
        assert result.exit_code == ExitCode.USAGE
        assert "security.ssl.rest.truststore = '/nowhere/ca.crt'" in result.output


class TestDistrust:
    """A JobManager whose certificate is of another authority than the client's."""

    @pytest.fixture
    def told(self, tmp_path: Path) -> list[str]:
        """What a process says on stderr."""
        ours, theirs = WorkingSet(tmp_path / "ours"), WorkingSet(tmp_path / "theirs")
        pair = theirs.issued("localhost", by="rest").pem
        with ThreadPoolExecutor(1) as threads:
            server = grpc.server(threads)
            port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(pair, pair)]))
            server.start()
            arguments = ["list", "-m", f"localhost:{port}", "--config", str(ours.client / "millstream.yaml")]
            command = [sys.executable, "-c", COMMAND, *arguments, "-D", "client.timeout=1s"]
            environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
            result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=50)
            server.stop(None).wait()
        assert (result.returncode, result.stdout) == (ExitCode.CLUSTER_UNREACHABLE, "")
        return result.stderr.splitlines()

    def test_it_is_said_in_our_words_alone(self, told: list[str]) -> None:
        """No line of gRPC for each try, and no advice to start a JobManager or to look for it elsewhere."""
        reason = "its certificate is of no authority in security.ssl.rest.truststore"
        waiting, error = told
        assert re.fullmatch(rf"waiting for the JobManager at localhost:\d+ \({reason}\)", waiting)
        assert re.fullmatch(rf"Error: the JobManager at localhost:\d+ gave no answer for 1 s \({reason}\)", error)

    @pytest.mark.parametrize(("given", "left"), [({}, "None"), ({"GRPC_VERBOSITY": "debug"}, "debug")])
    def test_grpc_s_own_setting_stays_as_it_was(self, given: dict[str, str], left: str) -> None:
        code = "import os, millstream.submission.gateway; print(os.environ.get('GRPC_VERBOSITY'))"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")} | given
        output = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
        assert output == f"{left}\n"

    def test_whoever_is_a_client_takes_grpc_from_one_place(self) -> None:
        """The first import decides what it says."""
        files = (Path(__file__).parents[4] / "client").rglob("*.py")
        importing = re.compile(r"^\s*(import|from) grpc\b", re.MULTILINE)
        assert [file.name for file in files if importing.search(file.read_text(encoding="utf-8"))] == ["quiet.py"]


class TestCancel:
    """`millstream cancel`."""

    def test_the_job_is_named_by_the_beginning_of_its_id(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status())
        fake.show(status(job=OTHER))
        fake.on_request = lambda ask: fake.show(status(JobState.CANCELED, ask.job))
        result = invoke("cancel", "5F2C")
        assert (result.exit_code, result.stdout) == (ExitCode.FINISHED, f'Job "test" ({JOB}) is CANCELED.\n')
        assert fake.asked == [CancelJob(JOB)]

    def test_a_beginning_of_several_is_a_wrong_use_that_names_them(self, fake: FakeJobManager, invoke: Invoke) -> None:
        twin = JobId(JOB[:-1] + "1")
        fake.show(status())
        fake.show(status(job=twin))
        fake.show(status(job=OTHER))
        result = invoke("cancel", "5f2c")
        assert result.exit_code == ExitCode.USAGE
        assert f"5f2c is the beginning of 2 jobs' ids: {JOB}, {twin}" in result.stderr
        assert not fake.asked

    @pytest.mark.parametrize("verb", ["cancel", "stop", "savepoint", "info"])
    @pytest.mark.parametrize("text", ["", "5", "5f2"])
    def test_too_few_digits_name_no_job_not_even_the_only_one(
        self, fake: FakeJobManager, invoke: Invoke, verb: str, text: str
    ) -> None:
        """`millstream cancel "$JOB"` where nobody has set the variable."""
        fake.show(status())
        result = invoke(verb, text)
        assert result.exit_code == ExitCode.USAGE
        assert f"'{text}' names no job: {FORM}" in result.stderr
        assert not fake.asked

    @pytest.mark.parametrize("verb", ["cancel", "stop", "savepoint", "info"])
    @pytest.mark.parametrize("text", ["words", "5f2c-", JOB + "0", "5f2c\n"])
    def test_what_no_id_begins_with_is_looked_for_nowhere(self, verb: str, text: str) -> None:
        """There is no cluster, and nobody is asked."""
        nowhere = ("-m", f"127.0.0.1:{free_port()}", "-D", "client.timeout=100ms")
        result = CliRunner().invoke(main, [verb, *nowhere, text])
        assert result.exit_code == ExitCode.USAGE
        assert f"{text!r} names no job: {FORM}" in result.stderr
        assert "waiting for" not in result.stderr

    def test_an_unknown_job_is_refused(self, invoke: Invoke) -> None:
        result = invoke("cancel", "7777")
        assert result.exit_code == ExitCode.REFUSED
        assert "no job's id begins with 7777" in result.stderr

    def test_a_word_that_is_no_path_either_is_a_wrong_use_in_a_line(self, invoke: Invoke) -> None:
        """A path of 3,000 characters can't even be looked at."""
        result = invoke("info", "a" * 3_000)
        assert result.exit_code == ExitCode.USAGE
        assert f"aaaa' names no job: {FORM}" in result.stderr
        assert len(result.stderr) < 400

    def test_a_job_that_has_ended_is_refused(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status(JobState.FINISHED))
        result = invoke("cancel", JOB)
        assert result.exit_code == ExitCode.REFUSED
        assert "is FINISHED already" in result.stderr

    def test_json(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status())
        fake.on_request = lambda ask: fake.show(status(JobState.CANCELED, ask.job))
        assert json.loads(invoke("cancel", JOB, "--json").stdout)["state"] == "CANCELED"


class TestSavepoints:
    """`millstream savepoint` and `millstream stop`."""

    def test_a_savepoint_s_path_is_printed(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status())
        fake.on_request = lambda ask: fake.answer_savepoint(ask.request, "/savepoints/1")
        result = invoke("savepoint", "5f2c", "/savepoints")
        assert (result.exit_code, result.stdout) == (ExitCode.FINISHED, "/savepoints/1\n")
        [asked] = fake.asked
        assert asked == TriggerSavepoint(JOB, asked.request, "/savepoints")
        assert json.loads(invoke("savepoint", "5f2c", "--json").stdout) == {"job": JOB, "savepoint": "/savepoints/1"}

    @pytest.mark.parametrize(("options", "mode"), [((), StopMode.STOP), (("--drain",), StopMode.DRAIN)])
    @pytest.mark.parametrize("spelling", ["-p", "--savepointPath"])
    def test_stop(
        self, fake: FakeJobManager, invoke: Invoke, options: tuple[str, ...], mode: StopMode, spelling: str
    ) -> None:
        def stop(ask: StopJob) -> None:
            fake.answer_savepoint(ask.request, "/savepoints/1")
            fake.show(status(JobState.FINISHED))

        fake.show(status())
        fake.on_request = stop
        result = invoke("stop", *options, spelling, "/savepoints", "5f2c")
        assert (result.exit_code, result.stdout) == (ExitCode.FINISHED, "/savepoints/1\n")
        [asked] = fake.asked
        assert asked == StopJob(JOB, asked.request, mode, "/savepoints")

    @pytest.mark.parametrize(
        "arguments",
        [(*verb, place) for verb in (("savepoint", JOB), ("stop", JOB, "-p")) for place in ("rel/dir", "s3://b/dir")],
    )
    def test_a_relative_directory_is_one_of_the_client_s(
        self,
        fake: FakeJobManager,
        invoke: Invoke,
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
    ) -> None:
        def answer(ask: StopJob) -> None:
            fake.answer_savepoint(ask.request, f"{ask.target}/1")
            fake.show(status(JobState.FINISHED))

        fake.show(status())
        fake.on_request = answer
        monkeypatch.chdir("/")
        expected = "s3://b/dir" if arguments[-1] == "s3://b/dir" else "/rel/dir"
        assert invoke(*arguments).stdout == f"{expected}/1\n"

    def test_a_savepoint_that_can_t_be_taken_ends_with_1_and_the_reason(
        self, fake: FakeJobManager, invoke: Invoke
    ) -> None:
        fake.show(status())
        fake.on_request = lambda ask: fake.answer_savepoint(ask.request, failure=failure("no room on the disk"))
        result = invoke("stop", "5f2c")
        assert result.exit_code == ExitCode.FAILED
        assert "no room on the disk" in result.stderr

    def test_a_refusal_ends_with_4(self, fake: FakeJobManager, invoke: Invoke) -> None:
        fake.show(status())
        fake.refuse("Savepoint", grpc.StatusCode.FAILED_PRECONDITION, failure("the job is FAILING"))
        result = invoke("savepoint", "5f2c")
        assert result.exit_code == ExitCode.REFUSED
        assert "the job is FAILING" in result.stderr


class TestInfo:
    """`millstream info JOB`."""

    def show(self, fake: FakeJobManager) -> None:
        task = TaskId(RegionAttempt(JOB, RegionId(0), 1), SubtaskId(VertexId("v" * 32), 0))
        metrics = (
            UserMetric("Map", "seen", MetricKind.COUNTER, 6),
            UserMetric("Map", "open", MetricKind.GAUGE, value=2.5),
            UserMetric("Map", "rate", MetricKind.METER, 6, 1.5),
            UserMetric("Map", "size", MetricKind.DISTRIBUTION, 3, 9, 1, 5),
        )
        totals = TaskTotals(task, 10, 9, 1, 1_700_000_000_000, 11, metrics)
        fake.show(
            status(JobState.FAILED, failure=failure("division by zero")),
            tasks=(
                TaskView(VertexId("v" * 32), 0, 1, TaskState.FAILED, TaskManagerId("t" * 32), totals, "Source"),
                TaskView(VertexId("v" * 32), 1, 1, TaskState.CANCELED, TaskManagerId(""), name="Map, " * 20),
            ),
            checkpoints=(
                CheckpointView(
                    CheckpointId(7),
                    SnapshotKind.CHECKPOINT,
                    "/chk-7",
                    1_700_000_000_000,
                    12,
                    345,
                    6,
                    78,
                    unaligned=True,
                ),
            ),
            counts=CheckpointCounts(7, 1, 0, "a task declined"),
            edges=(EdgeAudit("Source -> Map", 10, 11, in_flight=2, restored=3),),
            operators=(OperatorAudit("Map", 10, 8, 1, 1, 0, 0, 0),),
        )

    def test_people_see_the_job_its_tasks_and_its_audit(self, fake: FakeJobManager, invoke: Invoke) -> None:
        self.show(fake)
        result = invoke("info", "5f2c")
        assert result.exit_code == ExitCode.FINISHED, result.output
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines[0] == f'Job "test" ({JOB}): FAILED'
        assert f'job "test" ({JOB}) has failed: division by zero' in lines
        assert "Checkpoints: 7 completed, 1 failed, 0 in progress; last failure: a task declined" in lines
        assert "Source 0 1 FAILED tttttttt 11 10 9 1 2023-11-14 22:13:20 UTC" in lines
        assert "Map, Map, Map, Map, Map, Map, Map, Ma... 1 1 CANCELED - - - - - -" in lines
        assert "ID KIND COMPLETED DURATION ALIGNMENT BYTES IN FLIGHT PATH" in lines
        assert any(line.startswith("7 CHECKPOINT") and line.endswith(", unaligned 345 78 /chk-7") for line in lines)
        assert "Source -> Map 3 10 11 2" in lines
        assert "Map 10 8 1 1 0 0 0" in lines
        assert [line for line in lines if line.startswith(("Map seen", "Map open", "Map rate"))] == [
            "Map seen counter 6",
            "Map open gauge 2.5",
            "Map rate meter 6, 1.5/s",
        ]
        assert "Map size distribution 3, 1 to 5, mean 3" in lines

    def test_options_behind_a_job_are_a_wrong_use(self, fake: FakeJobManager, invoke: Invoke) -> None:
        self.show(fake)
        result = invoke("info", "5f2c", "--json")
        assert result.exit_code == ExitCode.USAGE
        assert "--json: a job takes no arguments, and options stand before it" in result.stderr

    def test_programs_get_everything(self, fake: FakeJobManager, invoke: Invoke) -> None:
        self.show(fake)
        row = json.loads(invoke("info", "--json", "5f2c").stdout)
        assert row["status"]["failure"]["message"] == "division by zero"
        assert row["tasks"][0]["totals"]["records_in"] == 10
        assert row["tasks"][0]["totals"]["metrics"][0]["kind"] == "COUNTER"
        assert row["checkpoints"][0]["kind"] == "CHECKPOINT"
        assert row["checkpoints"][0]["persisted_data"] == 78
        assert row["edges"] == [{"name": "Source -> Map", "sent": 10, "received": 11, "in_flight": 2, "restored": 3}]
