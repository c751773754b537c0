"""How a job is doing, as it is shown on stderr."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from millstream.cli.progress import (
    ProgressBlock,
    ProgressLines,
    RecordRate,
    block,
    checkpoints_of,
    progress_on_stderr,
    watermark_of,
)
from millstream.cli.shown import LAST_WATERMARK, NO_WATERMARK, duration, instant, plain, watermark
from millstream_dataflow.identity import (
    CheckpointId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.client import CheckpointCounts, CheckpointView, JobDetails, RestartView, TaskView
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import TaskTotals
from millstream_runtime.states import JobState, TaskState
from tests.unit.client.submission.fake_jobmanager import JOB, status


def view(index: int, read: int, time: int = NO_WATERMARK, *, taken: int = 0) -> TaskView:
    """A task whose source has read something, or that has taken it in."""
    task = TaskId(RegionAttempt(JOB, RegionId(0), 1), SubtaskId(VertexId("v" * 32), index))
    totals = TaskTotals(task, taken, read + taken, 0, time, read)
    return TaskView(VertexId("v" * 32), index, 1, TaskState.RUNNING, TaskManagerId("t" * 32), totals)


def details(*tasks: TaskView, state: JobState = JobState.RUNNING, note: str = "") -> JobDetails:
    return JobDetails(status(state, note=note), tasks)


class TestRates:
    """Records a second."""

    def test_they_follow_the_totals_at_their_own_pace(self) -> None:
        rate = RecordRate()
        for now, records in ((0.0, 100), (0.2, 100), (1.0, 300), (1.2, 300), (3.0, 1300)):
            rate.see(details(view(0, records)), now)
            assert rate.total == records
        assert rate.value == 500

    def test_a_record_counts_once_however_many_tasks_it_passes(self) -> None:
        rate = RecordRate()
        rate.see(details(view(0, 6_000), view(1, 0, taken=6_000), view(2, 0, taken=6_000)), 0)
        assert rate.total == 6_000

    def test_a_restart_begins_them_anew(self) -> None:
        rate = RecordRate()
        for now, records in ((0.0, 1000), (1.0, 10), (2.0, 30)):
            rate.see(details(view(0, records)), now)
        assert (rate.value, rate.total) == (20, 1000)


class TestTexts:
    """Single values."""

    def test_the_watermark_is_that_of_the_slowest_task(self) -> None:
        slow, fast = view(0, 1, 1_700_000_000_000), view(1, 1, LAST_WATERMARK)
        assert watermark_of(details(slow, fast)) == "2023-11-14 22:13:20 UTC"

    def test_where_nothing_has_a_watermark_it_is_none_and_not_to_be_waited_for(self) -> None:
        assert watermark_of(details(view(0, 0))) == ""
        assert watermark_of(details(view(0, 1), view(1, 0, taken=1))) == "none"
        assert watermark_of(details(view(0, 1, 0), view(1, 0, taken=1))) == "none"

    def test_a_task_that_deals_out_splits_holds_no_watermark_back(self) -> None:
        assert watermark_of(details(view(0, 0), view(1, 5, 0))) == "1970-01-01 00:00:00 UTC"

    @pytest.mark.parametrize(
        ("time", "text"),
        [
            (NO_WATERMARK, "none"),
            (LAST_WATERMARK, "the end"),
            (1 << 62, str(1 << 62)),
            (0, "1970-01-01 00:00:00 UTC"),
        ],
    )
    def test_watermarks(self, time: int, text: str) -> None:
        assert watermark(time) == text

    def test_times_and_durations(self) -> None:
        assert instant(0) == "-"
        assert len(instant(1_700_000_000_000)) == len("2023-11-14 22:13:20")
        assert (duration(0), duration(9_999), duration(61_500)) == ("0 ms", "9999 ms", "0:01:01")

    def test_checkpoints(self) -> None:
        assert checkpoints_of(details()) == ""
        last = CheckpointView(CheckpointId(7), SnapshotKind.CHECKPOINT, "/7", 1_700_000_000_000, 12, 1)
        shown = replace(details(), counts=CheckpointCounts(7, 1, 1, "declined"), checkpoints=(last,))
        expected = f"7 completed (last 7 at {instant(1_700_000_000_000)}, 12 ms), 1 failed (declined), 1 in progress"
        assert checkpoints_of(shown) == expected

    def test_values_for_programs_hold_names_and_no_classes(self) -> None:
        assert plain({"a": (JobState.RUNNING, [status().job], None)}) == {"a": ["RUNNING", [JOB], None]}


class TestLines:
    """Where stderr is no terminal."""

    def test_a_line_a_change(self, capsys: pytest.CaptureFixture[str]) -> None:
        shown = ProgressLines()
        shown.changed(details(state=JobState.CREATED, note="waiting for 3 of 4 slots"))
        shown.changed(details(view(0, 5)))
        shown.changed(details(view(0, 1234)))
        shown.changed(details(state=JobState.FINISHED))
        shown.close()
        assert capsys.readouterr().err.splitlines() == [
            f'Job "test" ({JOB}) is CREATED, waiting for 3 of 4 slots',
            f'Job "test" ({JOB}) is RUNNING',
            f'Job "test" ({JOB}) is FINISHED after 2500 ms; 1,234 records',
        ]

    def test_each_restart_is_told_once_with_its_first_cause(self, capsys: pytest.CaptureFixture[str]) -> None:
        shown = ProgressLines()
        lost = Failure(FailureKind.EXTERNAL, "peer a is lost", secondary=True)
        boom = Failure(FailureKind.USER, "ValueError: boom\nat length", "Map", "1", "job.py:7: raise")
        down = details(state=JobState.RESTARTING)
        shown.changed(replace(down, restarts=(RestartView(RegionId(0), 2, lost),)))
        shown.changed(replace(down, restarts=(RestartView(RegionId(0), 2, boom),)))
        again = replace(details(), restarts=(RestartView(RegionId(0), 2, boom), RestartView(RegionId(0), 3, lost)))
        shown.changed(again)
        shown.changed(again)
        assert [line for line in capsys.readouterr().err.splitlines() if "attempt" in line] == [
            "restarting (attempt 2): ValueError: boom (operator Map, job.py:7: raise)",
            "restarting (attempt 3): peer a is lost",
        ]

    def test_they_are_chosen_without_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert isinstance(progress_on_stderr(), ProgressLines)


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class TestBlock:
    """Where stderr is a terminal."""

    def test_it_has_a_line_for_each_thing_that_is_known(self) -> None:
        rate = RecordRate()
        rate.see(details(view(0, 1000)), 0)
        rate.see(details(view(0, 3000)), 1)
        known = replace(details(view(0, 3000, 0), note="waiting"), counts=CheckpointCounts(1, 0, 0, ""))
        assert block(known, rate).splitlines() == [
            f'Job "test" ({JOB}): RUNNING',
            "  waiting",
            "  records      3,000, 2,000/s",
            "  watermark    1970-01-01 00:00:00 UTC",
            "  checkpoints  1 completed",
        ]

    def test_it_is_gone_when_the_job_has_ended_and_a_summary_stays(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        terminal = Terminal()
        real = Console
        monkeypatch.setattr("rich.console.Console", lambda **_: real(file=terminal, force_terminal=True))
        shown = ProgressBlock()
        shown.changed(details(view(0, 5)))
        assert "RUNNING" in terminal.getvalue()
        boom = RestartView(RegionId(0), 2, Failure(FailureKind.USER, "boom"))
        shown.changed(replace(details(), restarts=(boom,)))
        assert capsys.readouterr().err == "restarting (attempt 2): boom\n"
        shown.changed(details(state=JobState.FAILED))
        assert shown._live is None
        assert capsys.readouterr().err.startswith(f'Job "test" ({JOB}) is FAILED after 2500 ms; 5 records')

    def test_it_is_chosen_at_a_terminal_unless_colours_are_unwanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr", Terminal())
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert isinstance(progress_on_stderr(), ProgressBlock)
        monkeypatch.setenv("NO_COLOR", "1")
        assert isinstance(progress_on_stderr(), ProgressLines)
