"""What the leader makes of how far aligned sources have come (law 7.4)."""

from collections.abc import Iterable
from dataclasses import replace

from millstream_dataflow.identity import EdgeId, SubtaskId, TaskId, VertexId
from millstream_dataflow.job_graph import Edge, JobGraph, Partitioning
from millstream_dataflow.records import EndReason
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkAlignment
from millstream_jobmanager.core.commands import Command, Send
from millstream_jobmanager.core.settings import JobSettings, RestartKind, RestartSettings
from millstream_runtime.messages.session import LimitSources, SourceTime, TaskReport
from millstream_runtime.states import JobState, TaskState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.fake_taskmanager import FakeTaskManager
from tests.support.graphs import graph, sink, source

DRIFT, UPDATE = 50, 1_000


def aligned_job(*, other: str = "group") -> JobGraph:
    """Two sources of parallelism 2 that nothing connects; four regions on four slots. The second may be of another
    group, and has twice the drift.
    """
    left = replace(source(2, name="left", group="one"), alignment=WatermarkAlignment("group", DRIFT, UPDATE))
    right = replace(source(2, name="right", group="two"), alignment=WatermarkAlignment(other, 2 * DRIFT, UPDATE))
    ends = sink(2, name="left-out", group="one"), sink(2, name="right-out", group="two")
    edges = (
        Edge(EdgeId(0), left.id, ends[0].id, Partitioning.FORWARD),
        Edge(EdgeId(1), right.id, ends[1].id, Partitioning.FORWARD),
    )
    return graph((left, ends[0], right, ends[1]), edges)


class Site:
    """A job that runs on two TaskManagers, one a source."""

    def __init__(self, settings: JobSettings | None = None, *, other: str = "group") -> None:
        self.shell = CoreShell(settings)
        self.taskmanagers = [self.shell.register(name, 2) for name in ("a", "b")]
        self.shell.submit(aligned_job(other=other))
        self.shell.until_state(JobState.RUNNING)
        self.words: list[tuple[str, LimitSources]] = []
        self.shell.heard = self._hear

    def _hear(self, command: Command) -> None:
        if isinstance(command, Send) and isinstance(command.message, LimitSources):
            self.words.append((command.session.taskmanager, command.message))

    def told(self) -> dict[str, int]:
        """Who has been told what since the last call: by subtask."""
        told = {str(task.subtask): word.time for _, word in self.words for task in word.tasks}
        for taskmanager, word in self.words:
            assert all(self.holder(task.subtask).name == taskmanager for task in word.tasks)
        self.words.clear()
        return told

    def holder(self, subtask: SubtaskId) -> FakeTaskManager:
        region = self.shell.job().context.region_of(subtask)
        return next(one for one in self.taskmanagers if one.name == region.holder(subtask))

    def task(self, vertex: str, index: int) -> TaskId:
        subtask = SubtaskId(VertexId(vertex), index)
        return TaskId(self.shell.job().context.region_of(subtask).attempt, subtask)

    def say(self, vertex: str, index: int, watermark: int, *, idle: bool = False, task: TaskId | None = None) -> None:
        """A source says where it is; the leader hears it in a moment."""
        task = task or self.task(vertex, index)
        self.shell.say(self.holder(task.subtask), SourceTime(task, watermark, idle))
        self.shell.run(5)

    def all_say(self, times: Iterable[int]) -> None:
        for (vertex, index), time in zip(ALL, times, strict=True):
            self.say(vertex, index, time)


ALL = [("left", 0), ("left", 1), ("right", 0), ("right", 1)]


def limits(lowest: int) -> dict[str, int]:
    """What all are told while the lowest is that."""
    return {f"{vertex}[{index}]": lowest + (DRIFT if vertex == "left" else 2 * DRIFT) for vertex, index in ALL}


def test_when_all_have_said_where_they_are_each_is_told_its_limit() -> None:
    site = Site()
    for vertex, index in ALL[:3]:
        site.say(vertex, index, 1_000)
        assert site.told() == {}
    site.say("right", 1, 700)
    assert site.told() == limits(700)


def test_a_word_comes_once_an_update_and_with_what_is_known_then() -> None:
    site = Site()
    site.all_say((1_000, 1_100, 1_200, 1_300))
    assert site.told() == limits(1_000)
    site.shell.run(UPDATE // 2)
    site.say("left", 0, 1_500)
    assert site.told() == {}
    site.shell.run(UPDATE // 2)
    site.say("right", 0, 1_600)
    assert site.told() == limits(1_100)


def test_who_has_no_watermark_yet_keeps_the_leader_silent() -> None:
    site = Site()
    site.all_say((1_000, MIN_TIME, 1_000, 1_000))
    assert site.told() == {}
    site.say("left", 1, 900)
    assert site.told() == limits(900)


def test_who_is_idle_or_has_ended_does_not_count() -> None:
    site = Site()
    site.say("left", 0, 100, idle=True)
    ended = site.task("left", 1)
    site.holder(ended.subtask).report(TaskReport(ended, TaskState.RUNNING, ended=EndReason.INPUT))
    site.say("right", 0, 1_000)
    site.say("right", 1, 1_100)
    assert site.told() == limits(1_000)
    site.shell.run(UPDATE)
    site.say("right", 0, 1_000, idle=True)
    assert site.told() == limits(1_100)
    site.shell.run(UPDATE)
    site.say("right", 1, 1_100, idle=True)
    assert set(site.told().values()) == {MAX_TIME}


def test_groups_are_apart() -> None:
    site = Site(other="another")
    site.say("left", 0, 1_000)
    site.say("left", 1, 1_100)
    assert site.told() == {"left[0]": 1_050, "left[1]": 1_050}


def test_a_source_that_is_started_again_is_waited_for_and_its_former_attempt_is_not_heard() -> None:
    site = Site()
    site.all_say((1_000, 1_100, 1_200, 1_300))
    former = site.task("left", 0)
    site.told()
    site.holder(former.subtask).kill_worker(0)
    site.shell.until_state(JobState.RUNNING)
    site.shell.run(2 * UPDATE)
    assert site.task("left", 0) != former
    site.say("left", 0, 2_000, task=former)
    for vertex, index in ALL[1:]:
        site.say(vertex, index, 2_000)
    assert site.told() == {}
    site.say("left", 0, 900)
    assert site.told() == limits(900)


def test_while_a_source_is_down_the_others_of_its_group_are_told_nothing() -> None:
    later = RestartSettings(RestartKind.FIXED_DELAY, delay=10 * UPDATE)
    site = Site(settings_of(restart=later))
    site.all_say((1_000, 1_100, 1_200, 1_300))
    site.told()
    subtask = site.task("left", 0).subtask
    region = site.shell.job().context.region_of(subtask)
    site.holder(subtask).kill_worker(0)
    site.shell.run_until(lambda: not region.deployed)
    for _ in range(3):
        site.shell.run(UPDATE)
        site.say("right", 0, 1_300)
    assert not region.deployed
    assert site.told() == {}


def test_a_new_leader_speaks_when_it_has_heard_all() -> None:
    site = Site()
    site.all_say((1_000, 1_100, 1_200, 1_300))
    site.told()
    site.shell.kill_jobmanager()
    site.shell.start_jobmanager()
    for name in ("a", "b"):
        site.shell.register(name, 2)
    site.shell.until_state(JobState.RUNNING)
    for vertex, index in ALL[:3]:
        site.say(vertex, index, 1_400)
    assert site.told() == {}
    site.say("right", 1, 1_350)
    assert site.told() == limits(1_350)


def test_what_others_say_of_time_is_nobodys_business() -> None:
    """A task of no group, and one that isn't of the job."""
    site = Site()
    site.say("left-out", 0, 1_000)
    assert site.told() == {}
