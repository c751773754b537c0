"""From a program to whoever runs it."""

import gc
import io
import json
import sys
import threading
import traceback
from contextlib import redirect_stderr
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from millstream.compiler.source_files import ProgramFiles
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.errors import DetachedResultError, ExecutionTargetMissingError, JobFailedError, NotPicklableError
from millstream.execution import executor
from millstream.execution.context import ProgramContext, current_context, program_context
from millstream.execution.executor import available_targets, executor_for
from millstream.execution.job_execution_result import JobExecutionResult
from millstream.execution.job_status import JobStatus
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client, execution
from millstream_dataflow.identity import JobId
from tests.unit.client.programs import FakeExecutor, environment, numbers


@pytest.fixture(autouse=True)
def hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own, put back afterwards."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def shown_lines(error: BaseException) -> list[str]:
    """What Python shows of an error that nobody catches: the lines of code."""
    with redirect_stderr(io.StringIO()) as text:
        sys.excepthook(type(error), error, error.__traceback__)
    lines = text.getvalue().splitlines()
    return [line.strip() for place, line in pairwise(lines) if place.startswith("  File ")]


def json_error() -> Exception:
    """Of the library alone."""
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    trace = caught.value.__traceback__
    assert trace is not None
    return caught.value.with_traceback(trace.tb_next)


class TestExecute:
    """`execute`, `execute_async`, `execute_and_collect`."""

    def test_the_job_is_submitted_and_waited_for(self) -> None:
        fake = FakeExecutor()
        env = environment(fake)
        numbers(env).print()
        result = env.execute("my job")
        [graph] = fake.graphs
        assert graph.name == "my job"
        assert {vertex.functions.digest for vertex in graph.vertices} <= set(fake.blobs[0])
        assert (result.get_job_id(), result.get_net_runtime()) == (graph.job, 5)
        assert str(result) == f"job {graph.job} has finished after 0:00:00.005000"

    def test_every_job_has_an_id_of_its_own(self) -> None:
        fake = FakeExecutor()
        for _ in range(2):
            env = environment(fake)
            numbers(env).print()
            env.execute()
        assert len({graph.job for graph in fake.graphs}) == 2

    def test_the_name_is_that_of_the_call_else_of_the_configuration_else_ours(self) -> None:
        fake = FakeExecutor()
        env = environment(fake)
        for name, configured in ((None, None), (None, "configured"), ("called", "configured")):
            if configured:
                env.configure({"pipeline.name": configured})
            numbers(env).print()
            env.execute(name)
        assert [graph.name for graph in fake.graphs] == ["Millstream Streaming Job", "configured", "called"]

    def test_a_second_execute_runs_what_was_written_down_since(self) -> None:
        fake = FakeExecutor()
        env = environment(fake)
        stream = numbers(env).map(abs)
        stream.print()
        env.execute()
        stream.filter(bool).print()
        env.execute()
        names = [[operator.name for operator in graph.vertices[0].operators] for graph in fake.graphs]
        assert names == [
            ["Source: Collection", "Map", "Sink: Print"],
            ["Source: Collection", "Map", "Filter", "Sink: Print"],
        ]

    def test_a_program_that_was_refused_is_still_there(self) -> None:
        env, lock = environment(FakeExecutor()), threading.Lock()
        numbers(env).map(lambda x: (lock, x))
        for _ in range(2):
            with pytest.raises(NotPicklableError):
                env.execute()

    def test_a_failure_of_the_job_is_raised(self) -> None:
        env = environment(FakeExecutor(failure=JobFailedError("division by zero")))
        numbers(env).print()
        with pytest.raises(JobFailedError, match="division by zero"):
            env.execute()

    def test_of_a_failure_python_shows_the_line_of_the_call_and_no_line_of_ours(self) -> None:
        env = environment(FakeExecutor(failure=JobFailedError("division by zero")))
        numbers(env).print()
        with pytest.raises(JobFailedError) as caught:
            env.execute()
        assert shown_lines(caught.value) == ["env.execute()"]

    def test_nor_does_it_show_what_an_error_of_ours_came_from_when_that_is_ours_as_well(self) -> None:
        env, lock = environment(FakeExecutor()), threading.Lock()
        numbers(env).map(lambda x: (lock, x))
        with pytest.raises(NotPicklableError) as caught:
            env.execute_async()
        assert isinstance(caught.value.__cause__, TypeError), "who catches it can look"
        assert traceback.extract_tb(caught.value.__cause__.__traceback__)[0].line == "return dumps(chain)"
        assert shown_lines(caught.value) == ["env.execute_async()"]

    def test_but_what_the_users_or_a_library_s_code_has_raised_is_shown_with_it(self) -> None:
        failure = JobFailedError("bad input")
        failure.__cause__ = json_error()
        env = environment(FakeExecutor(failure=failure))
        numbers(env).print()
        with pytest.raises(JobFailedError) as caught:
            env.execute()
        first, *_, last = shown_lines(caught.value)
        assert (first, last) == ("return _default_decoder.decode(s)", "env.execute()")

    def test_a_mistake_of_ours_keeps_its_lines(self) -> None:
        env = environment(cast(FakeExecutor, object()))
        numbers(env).print()
        with pytest.raises(AttributeError) as caught:
            env.execute()
        assert shown_lines(caught.value)[-1].startswith("client = executor.submit(")

    def test_detached_it_does_not_wait(self) -> None:
        env = environment(FakeExecutor(failure=JobFailedError("never seen")), execution_attached=False)
        numbers(env).print()
        result = env.execute()
        assert not result.is_job_execution_result()
        assert str(result) == f"job {result.get_job_id()} was submitted"
        with pytest.raises(DetachedResultError, match=r"was submitted detached.*'millstream info"):
            result.get_net_runtime()

    def test_only_the_job_s_own_keys_travel_with_it(self) -> None:
        fake = FakeExecutor()
        env = environment(fake, parallelism_default=3, execution_attached=False)
        numbers(env).print()
        env.execute()
        assert fake.graphs[0].configuration == {"parallelism.default": "3"}
        assert not fake.configurations[0].get(client.ATTACHED)


class TestCollect:
    """Records come back to the program."""

    def test_as_an_iterator(self) -> None:
        fake = FakeExecutor(records=[1, 2, 3])
        with numbers(environment(fake)).execute_and_collect("collect") as records:
            assert list(records) == [1, 2, 3]
        assert not fake.clients[0].cancelled
        assert fake.graphs[0].vertices[0].operators[-1].name == "Collect Stream Sink"

    def test_of_a_failure_python_shows_the_line_that_takes_the_records(self) -> None:
        records = numbers(environment(FakeExecutor(failure=JobFailedError("division by zero")))).execute_and_collect()
        with pytest.raises(JobFailedError) as caught:
            next(records)
        assert shown_lines(caught.value) == ["next(records)", "raise self.failure"], "the fake's own"

    def test_or_the_call_itself_when_there_is_no_job(self) -> None:
        env, lock = environment(FakeExecutor()), threading.Lock()
        stream = numbers(env).map(lambda x: (lock, x))
        with pytest.raises(NotPicklableError) as caught:
            stream.execute_and_collect()
        assert shown_lines(caught.value) == ["stream.execute_and_collect()"]

    def test_closing_early_cancels_the_job_once(self) -> None:
        fake = FakeExecutor(records=[1, 2, 3])
        records = numbers(environment(fake)).execute_and_collect()
        assert next(records) == 1
        records.close()
        assert fake.clients[0].cancelled
        fake.clients[0].cancelled = False
        records.close()
        assert not fake.clients[0].cancelled

    def test_an_iterator_that_is_dropped_cancels_the_job(self) -> None:
        fake = FakeExecutor(records=[1, 2, 3])
        records = numbers(environment(fake)).execute_and_collect()
        assert next(records) == 1
        del records
        gc.collect()
        assert fake.clients[0].cancelled

    def test_one_whose_records_were_all_taken_cancels_nothing(self) -> None:
        fake = FakeExecutor(records=[1, 2, 3])
        assert list(numbers(environment(fake)).execute_and_collect()) == [1, 2, 3]
        gc.collect()
        assert not fake.clients[0].cancelled

    def test_after_ctrl_c_only_closing_cancels_the_job(self) -> None:
        """What becomes of the job is for whoever runs the program to say: `millstream run` lets it go on."""
        for closes in (True, False):
            fake = FakeExecutor(failure=KeyboardInterrupt())
            records = numbers(environment(fake)).execute_and_collect()
            with pytest.raises(KeyboardInterrupt):
                next(records)
            if closes:
                records.close()
            del records
            gc.collect()
            assert fake.clients[0].cancelled is closes

    def test_up_to_a_limit(self) -> None:
        fake = FakeExecutor(records=[1, 2, 3])
        assert numbers(environment(fake)).execute_and_collect(limit=2) == [1, 2]
        assert fake.clients[0].cancelled

    def test_a_failure_comes_behind_the_records_before_it(self) -> None:
        fake = FakeExecutor(records=[1], failure=JobFailedError("boom"))
        records = numbers(environment(fake)).execute_and_collect()
        assert next(records) == 1
        with pytest.raises(JobFailedError, match="boom"):
            next(records)
        records.close()
        assert not fake.clients[0].cancelled


class TestTargets:
    """`execution.target` chooses who runs the job."""

    def configuration(self, target: ExecutionTarget) -> Configuration:
        return Configuration().with_(client.TARGET, target)

    def test_a_target_that_is_not_there_yet_is_refused_with_those_that_are(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        homes = {
            ExecutionTarget.REMOTE: ("millstream.missing", "X"),
            ExecutionTarget.INLINE: ("millstream.errors", "X"),
        }
        monkeypatch.setattr(executor, "_HOMES", homes)
        expected = r"execution.target = remote \(the program\): this version has nothing that runs .*; set it to inline"
        with pytest.raises(ExecutionTargetMissingError, match=expected):
            executor_for(self.configuration(ExecutionTarget.REMOTE))
        assert available_targets() == [ExecutionTarget.INLINE]

    def test_the_executor_is_imported_when_it_is_chosen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        homes = {ExecutionTarget.INLINE: ("tests.unit.client.programs", "FakeExecutor")}
        monkeypatch.setattr(executor, "_HOMES", homes)
        assert isinstance(executor_for(self.configuration(ExecutionTarget.INLINE)), FakeExecutor)

    def test_every_target_has_a_home(self) -> None:
        assert set(executor._HOMES) == set(ExecutionTarget)


class TestContext:
    """What a program finds around it."""

    def test_a_script_that_is_simply_started_finds_the_environment_variables(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MILLSTREAM_PARALLELISM_DEFAULT", "5")
        assert current_context().configuration.get(execution.PARALLELISM) == 5
        assert StreamExecutionEnvironment.get_execution_environment().get_parallelism() == 5

    def test_one_that_a_command_starts_finds_the_command_s_and_leaves_its_jobs(self) -> None:
        fake = FakeExecutor()
        configuration = Configuration().with_text("parallelism.default", "4")
        with program_context(ProgramContext(configuration, executor=fake)) as context:
            env = StreamExecutionEnvironment.get_execution_environment()
            assert env.get_parallelism() == 4
            assert context.jobs == []
            numbers(env).print()
            env.execute()
        assert context.jobs == [fake.graphs[0].job]

    def test_contexts_nest(self) -> None:
        outer, inner = ProgramContext(Configuration()), ProgramContext(Configuration())
        with program_context(outer):
            with program_context(inner):
                assert current_context() is inner
            assert current_context() is outer

    def test_python_files_of_the_command_and_of_the_program_travel(self, tmp_path: Path) -> None:
        (tmp_path / "one.py").write_text("")
        (tmp_path / "two.py").write_text("")
        fake = FakeExecutor()
        files = ProgramFiles(py_files=(tmp_path / "one.py",))
        env = StreamExecutionEnvironment(ProgramContext(Configuration(), files, fake))
        env.add_python_file(str(tmp_path / "two.py"))
        numbers(env).print()
        env.execute()
        assert [artifact.name for artifact in fake.graphs[0].artifacts] == ["one.zip", "two.zip"]
        assert fake.graphs[0].artifacts[0].blob.digest in fake.blobs[0]

    def test_the_script_is_found_by_main(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "job.py").write_text("")
        main = ModuleType("__main__")
        main.__file__ = str(tmp_path / "job.py")
        monkeypatch.setitem(sys.modules, "__main__", main)
        assert ProgramContext(Configuration()).program_files(()).folder == tmp_path


def test_a_status_is_printed_by_its_name() -> None:
    assert f"{JobStatus.CANCELED}" == "CANCELED"


def test_a_result_says_how_long_the_job_ran() -> None:
    assert JobExecutionResult(JobId("a"), 61_000).is_job_execution_result()
