"""`millstream run` and `millstream info SCRIPT`: a script in this process, and a job that goes somewhere."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from click.testing import CliRunner

from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import main
from millstream.submission.executor import submit_job
from millstream_runtime.messages.client import CancelJob, SubmitJob
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.states import JobState
from tests.support.clusters import free_port
from tests.unit.client.cli.conftest import Invoke
from tests.unit.client.submission.fake_jobmanager import FakeJobManager, failure, serving, status

Script = Callable[[str], str]

COMMAND = "import sys; sys.argv[0] = 'millstream'; from millstream.cli.entry import main; main()"

PROGRAM = """
import sys
from millstream import StreamExecutionEnvironment

class Word:
    pass

env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection(["Hello", "World"]).map(lambda word: (Word, word.upper())[1]).print()
env.execute("words " + ",".join(sys.argv[1:]))
"""


def ends(fake: FakeJobManager, state: JobState, cause: Failure | None = None) -> None:
    """Every job ends so, at once."""

    def end(ask: object) -> None:
        if isinstance(ask, SubmitJob):
            ended = status(state, ask.graph.job, name=ask.graph.name, failure=cause)
            fake.show(ended)

    fake.on_request = end


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


class TestRun:
    """Attached and detached, on a cluster."""

    def test_an_attached_run_waits_and_says_how_it_went(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        ends(fake, JobState.FINISHED)
        result = invoke("run", script(PROGRAM), "a", "-b", "--json")
        assert result.exit_code == ExitCode.FINISHED, result.output
        [job] = fake.submitted
        assert job.graph.name == "words a,-b,--json"
        assert f'Job "words a,-b,--json" ({job.graph.job}) is FINISHED after 2500 ms' in result.stderr
        assert result.stdout == ""

    def test_the_process_is_as_it_was_afterwards(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        ends(fake, JobState.FINISHED)
        before = sys.argv, list(sys.path), sys.modules["__main__"]
        invoke("run", script(PROGRAM))
        assert (sys.argv, sys.path, sys.modules["__main__"]) == before

    def test_the_options_are_flink_s(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        ends(fake, JobState.FINISHED)
        options = ("-p", "3", "-s", "/savepoints/1", "-n", "--accept-duplicates", "-D", "pipeline.max-parallelism=64")
        result = invoke("run", *options, script(PROGRAM.replace(".print()", ".rebalance().map(str).print()")))
        assert result.exit_code == ExitCode.FINISHED, result.output
        [job] = fake.submitted
        assert (job.restore_path, job.allow_non_restored_state, job.accept_duplicates) == ("/savepoints/1", True, True)
        assert [(one.parallelism, one.max_parallelism) for one in job.graph.vertices] == [(1, 64), (3, 64), (3, 64)]

    def test_py_files_travel(self, fake: FakeJobManager, invoke: Invoke, script: Script, tmp_path: Path) -> None:
        ends(fake, JobState.FINISHED)
        extra = tmp_path / "extra.py"
        extra.write_text("x = 1\n", encoding="utf-8")
        for option in ("--py-files", "-pyfs"):
            assert invoke("run", option, str(extra), script(PROGRAM)).exit_code == ExitCode.FINISHED
        assert [[artifact.name for artifact in job.graph.artifacts] for job in fake.submitted] == [["extra.zip"]] * 2

    def test_detached_it_prints_the_id_and_returns(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        result = invoke("run", "-d", script(PROGRAM))
        assert result.exit_code == ExitCode.FINISHED, result.output
        [job] = fake.submitted
        assert result.stdout == f'Job "words " was submitted; its id is {job.graph.job}\n'

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
    @pytest.mark.parametrize("form", [[], ["--json"]])
    def test_an_id_that_can_t_be_printed_is_told(self, fake: FakeJobManager, script: Script, form: list[str]) -> None:
        """The job runs on, and by its id alone it can be spoken of."""
        with serving(fake) as port, Path("/dev/full").open("w", encoding="utf-8") as full:
            command = ["-c", COMMAND, "run", "-m", f"127.0.0.1:{port}", "-d", *form, script(PROGRAM)]
            result = subprocess.run([sys.executable, *command], stdout=full, stderr=subprocess.PIPE, check=False)
        [job] = fake.submitted
        lost, said = "Error: the output can't be written: No space left on device\n", result.stderr.decode()
        assert (result.returncode, said.endswith(lost)) == (ExitCode.FAILED, True)
        assert f'Job "words " was submitted; its id is {job.graph.job}\n' in said

    def test_detached_for_programs(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        result = invoke("run", "-d", "--json", script(PROGRAM))
        assert json.loads(result.stdout) == {"job": fake.submitted[0].graph.job, "name": "words "}

    def test_json_is_a_line_a_job_however_the_program_ends(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        more = "for _ in range(2):\n    env.from_collection([1]).print()\n    env.execute('more')\nraise KeyError"
        result = invoke("run", "-d", "--json", script(PROGRAM + more))
        assert result.exit_code == ExitCode.FAILED
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert lines == [{"job": one.graph.job, "name": one.graph.name} for one in fake.submitted]
        assert [line["name"] for line in lines] == ["words ", "more", "more"]

    def test_a_name_that_a_terminal_would_obey_is_spelled(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        result = invoke("run", "-d", script(PROGRAM), "a\nb")
        assert result.stdout.startswith('Job "words a\\nb" was submitted')

    def test_detached_needs_a_cluster(self, script: Script) -> None:
        result = CliRunner().invoke(main, ["run", "-d", "-D", "execution.target=embedded", script(PROGRAM)])
        assert result.exit_code == ExitCode.USAGE
        assert "-d needs a cluster" in result.stderr

    def test_waiting_for_slots_is_shown(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        def wait(ask: object) -> None:
            if isinstance(ask, SubmitJob):
                fake.show(status(JobState.CREATED, ask.graph.job, note="waiting for 3 of 4 slots"))

        def go_on() -> None:
            with fake.changed:
                job = next(iter(fake.details))
            fake.show(status(JobState.FINISHED, job))

        fake.on_request = wait
        fake.on_watch = go_on
        result = invoke("run", script(PROGRAM))
        assert "is CREATED, waiting for 3 of 4 slots" in result.stderr


class TestExitCodes:
    """What the caller is told."""

    def test_1_and_all_that_is_known_of_it_when_the_job_fails(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        cause = Failure(FailureKind.USER, "ValueError: no number", "Map", "'World'", "job.py:9: int(word)")
        ends(fake, JobState.FAILED, cause)
        result = invoke("run", script(PROGRAM))
        assert result.exit_code == ExitCode.FAILED
        assert result.stderr.splitlines()[-4:] == [
            f'Error: job "words " ({fake.submitted[0].graph.job}) has failed: ValueError: no number',
            "  operator: Map",
            "  record: 'World'",
            "  at: job.py:9: int(word)",
        ]

    def test_1_with_the_user_s_part_of_the_traceback_when_the_script_raises(
        self, invoke: Invoke, script: Script
    ) -> None:
        path = script("def f():\n    raise LookupError('nothing there')\nf()\n")
        result = invoke("run", path)
        assert result.exit_code == ExitCode.FAILED
        lines = result.stderr.splitlines()
        assert lines[:2] == ["Traceback (most recent call last):", f'  File "{path}", line 3, in <module>']
        assert lines[-1] == "LookupError: nothing there"
        assert "runpy" not in result.stderr

    def test_1_with_no_frame_at_all_when_the_script_can_t_be_compiled(self, invoke: Invoke, script: Script) -> None:
        path = script("x = 1\ny = = 2\n")
        result = invoke("run", path)
        assert result.exit_code == ExitCode.FAILED
        lines = result.stderr.splitlines()
        assert (lines[0], lines[-1]) == (f'  File "{path}", line 2', "SyntaxError: invalid syntax")

    def test_4_when_a_program_can_t_become_a_job(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        text = PROGRAM.replace("class Word:", "import threading\nlock = threading.Lock()\nclass Word:")
        result = invoke("run", script(text.replace("word.upper()", "(lock, word)")))
        assert result.exit_code == ExitCode.REFUSED
        assert "lock" in result.stderr
        assert not fake.submitted

    def test_2_when_the_script_never_called_execute(self, invoke: Invoke, script: Script) -> None:
        result = invoke("run", script("print('nothing')"))
        assert result.exit_code == ExitCode.USAGE
        assert "never called execute(), so nothing was run" in result.stderr

    def test_2_when_there_is_no_script(self, invoke: Invoke) -> None:
        result = invoke("run", "/nowhere/job.py")
        assert result.exit_code == ExitCode.USAGE
        assert "there is no script /nowhere/job.py" in result.stderr

    @pytest.mark.parametrize("verb", ["run", "info"])
    def test_2_for_an_option_that_there_isn_t_and_the_nearest_is_named(
        self, fake: FakeJobManager, invoke: Invoke, script: Script, verb: str
    ) -> None:
        result = invoke(verb, "--cofnig", "x.yaml", script(PROGRAM))
        assert result.exit_code == ExitCode.USAGE
        assert "No such option '--cofnig'. Did you mean '--config'?" in result.stderr
        assert not fake.submitted

    def test_2_for_what_is_no_file(self, invoke: Invoke, tmp_path: Path) -> None:
        for script, words in ((str(tmp_path), f"{tmp_path} is no file"), ("-", "there is no script -")):
            result = invoke("run", script)
            assert result.exit_code == ExitCode.USAGE
            assert words in result.stderr

    def test_2_for_a_value_that_is_not_accepted(self, invoke: Invoke, script: Script) -> None:
        result = invoke("run", "-p", "0", script(PROGRAM))
        assert result.exit_code == ExitCode.USAGE
        assert "parallelism.default = '0' (-p on the command line)" in result.stderr

    def test_3_when_nobody_is_there(self, script: Script) -> None:
        arguments = ["run", "-m", "127.0.0.1:1", "-D", "client.timeout=100ms", script(PROGRAM)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == ExitCode.CLUSTER_UNREACHABLE

    def test_4_when_the_job_is_refused(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        fake.refuse("Submit", grpc.StatusCode.INVALID_ARGUMENT, failure("it has a cycle"))
        result = invoke("run", script(PROGRAM))
        assert result.exit_code == ExitCode.REFUSED
        assert "is refused: it has a cycle" in result.stderr

    def test_the_script_s_own_code_is_kept(self, invoke: Invoke, script: Script) -> None:
        assert invoke("run", script("import sys; sys.exit(7)")).exit_code == 7
        assert invoke("run", script("import sys; sys.exit(0)")).exit_code == 0

    def test_0_when_the_script_leaves_with_0_after_its_job(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        result = invoke("run", "-d", script(PROGRAM + "sys.exit(0)\n"))
        assert result.exit_code == ExitCode.FINISHED
        assert "was submitted" in result.stdout

    @pytest.mark.parametrize(("options", "asks"), [((), 0), (("--cancel-on-exit",), 1)])
    def test_130_when_it_is_interrupted_and_the_job_goes_on_unless_it_should_not(
        self, fake: FakeJobManager, invoke: Invoke, script: Script, options: tuple[str, ...], asks: int
    ) -> None:
        def answer(ask: object) -> None:
            if isinstance(ask, SubmitJob):
                fake.show(replace(status(JobState.RUNNING), job=ask.graph.job, name="test"))
            else:
                job = next(iter(fake.details))
                fake.show(status(JobState.CANCELED, job))

        fake.on_request = answer
        text = PROGRAM.replace("env.execute(", "env.execute_async(") + "raise KeyboardInterrupt\n"
        result = invoke("run", *options, script(text))
        job = fake.submitted[0].graph.job
        assert result.exit_code == ExitCode.INTERRUPTED
        assert len(fake.asked) == asks
        assert (f"runs on; millstream cancel {job} ends it" in result.stderr) == (asks == 0)
        assert result.stderr.endswith("Interrupted.\n")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_130_and_the_job_is_cancelled_when_its_terminal_is_closed_or_it_is_told_to_end(
        self, fake: FakeJobManager, invoke: Invoke, script: Script, number: signal.Signals
    ) -> None:
        def answer(ask: object) -> None:
            if not isinstance(ask, SubmitJob):
                fake.show(status(JobState.CANCELED, next(iter(fake.details))))

        fake.on_request = answer
        before = signal.getsignal(number)
        text = PROGRAM.replace("env.execute(", "env.execute_async(")
        # The kernel gives the signal to any thread, so it may come a moment later.
        text += f"import os, time\nos.kill(os.getpid(), {number:d})\nwhile True:\n    time.sleep(0.01)\n"
        result = invoke("run", "--cancel-on-exit", script(text))
        assert result.exit_code == ExitCode.INTERRUPTED
        assert fake.asked == [CancelJob(fake.submitted[0].graph.job)]
        assert signal.getsignal(number) is before

    def test_130_before_the_submit_without_a_word_of_a_job(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        result = invoke("run", script("raise KeyboardInterrupt\n" + PROGRAM))
        assert (result.exit_code, result.stderr) == (ExitCode.INTERRUPTED, "Interrupted.\n")
        assert not fake.submitted

    def test_130_during_the_submit_and_the_job_that_was_accepted_is_named(
        self, fake: FakeJobManager, invoke: Invoke, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def submitted_and_interrupted(*arguments: object) -> None:
            submit_job(*cast(Any, arguments))
            raise KeyboardInterrupt

        monkeypatch.setattr("millstream.submission.executor.submit_job", submitted_and_interrupted)
        result = invoke("run", script(PROGRAM))
        assert result.exit_code == ExitCode.INTERRUPTED
        assert f"runs on; millstream cancel {fake.submitted[0].graph.job} ends it" in result.stderr

    def test_130_while_the_jobmanager_is_away_and_it_isn_t_waited_for(
        self, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("millstream.cli.run._LOOK_S", 0.1)
        monkeypatch.setattr("millstream.submission.executor.upload_all", interrupted)
        begun = time.monotonic()
        result = CliRunner().invoke(main, ["run", "-m", f"127.0.0.1:{free_port()}", script(PROGRAM)])
        assert time.monotonic() - begun < 20  # seconds, of client.timeout's 60
        assert result.exit_code == ExitCode.INTERRUPTED
        assert 'The JobManager is away; if job "words " (' in result.stderr

    def test_141_when_nobody_reads_what_the_script_prints_and_the_job_goes_on(
        self, fake: FakeJobManager, invoke: Invoke, script: Script
    ) -> None:
        text = PROGRAM.replace("env.execute(", "env.execute_async(")
        closed = (
            "from millstream.submission.brief import OutputClosedError\nraise OutputClosedError(32, 'Broken pipe')\n"
        )
        result = invoke("run", script(text + closed))
        assert result.exit_code == ExitCode.NOBODY_READS
        assert "runs on; millstream cancel" in result.stderr
        assert "Traceback" not in result.stderr


class TestInline:
    """`--inline`: here, for a debugger."""

    def test_the_job_runs_in_this_process(self, script: Script) -> None:
        result = CliRunner().invoke(main, ["run", "--inline", script(PROGRAM)])
        assert (result.exit_code, result.stdout) == (ExitCode.FINISHED, "HELLO\nWORLD\n")

    def test_what_the_program_says_itself_is_stronger(self, script: Script) -> None:
        text = PROGRAM.replace("environment()", "environment({'execution.target': 'inline'})")
        assert CliRunner().invoke(main, ["run", script(text)]).exit_code == ExitCode.FINISHED


class TestPlan:
    """`millstream info SCRIPT`."""

    def test_the_plan_is_drawn_and_nothing_runs(self, fake: FakeJobManager, invoke: Invoke, script: Script) -> None:
        result = invoke("info", script(PROGRAM + "print('never reached')\n"), "a")
        assert result.exit_code == ExitCode.FINISHED, result.output
        assert result.stdout.startswith(
            'Job "words a": 1 vertex, 1 slot\n\n1  Source: Collection -> Map -> Sink: Print\n'
        )
        assert "never reached" not in result.stdout
        assert not fake.submitted

    def test_json(self, invoke: Invoke, script: Script) -> None:
        plan = json.loads(invoke("info", "--json", script(PROGRAM)).stdout)
        assert (plan["name"], plan["slots"]) == ("words ", 1)

    def test_a_script_without_a_job_has_no_plan(self, invoke: Invoke, script: Script) -> None:
        result = invoke("info", script("x = 1"))
        assert result.exit_code == ExitCode.USAGE
        assert "never called execute(), so it has no plan" in result.stderr
