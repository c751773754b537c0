"""What a TaskManager must be able to tell any leader: the state of each task until its region has ended, and what was
acknowledged or declined until that is confirmed (laws 3.1, 3.4). A registration is this ledger as it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from millstream_dataflow.identity import CheckpointId, JobId, RegionAttempt, SubtaskId, TaskId
from millstream_runtime.messages.session import CheckpointAcknowledged, CheckpointDeclined, TaskReport
from millstream_runtime.states import TASK_STATES


@dataclass(slots=True)
class Ledger:
    """The TaskManager's truth."""

    tasks: dict[TaskId, TaskReport] = field(default_factory=dict[TaskId, TaskReport])
    acknowledgements: dict[tuple[TaskId, CheckpointId], CheckpointAcknowledged] = field(
        default_factory=dict[tuple[TaskId, CheckpointId], CheckpointAcknowledged]
    )
    declines: dict[tuple[TaskId, CheckpointId], CheckpointDeclined] = field(
        default_factory=dict[tuple[TaskId, CheckpointId], CheckpointDeclined]
    )
    jobs: set[JobId] = field(default_factory=set[JobId])
    """All that have left anything here: a leader in which they have ended says so (law 3.1)."""

    def report(self, report: TaskReport) -> TaskReport:
        """A task has moved; facts that were known of it stay."""
        known = self.tasks.get(report.task)
        if known is not None:
            report = replace(
                report,
                failure=report.failure or known.failure,
                ended=report.ended or known.ended,
                commits_restored=report.commits_restored or known.commits_restored,
            )
        self.tasks[report.task] = report
        return report

    def unfinished(self, attempt: RegionAttempt, subtasks: Iterable[SubtaskId]) -> list[TaskReport]:
        """Of these tasks those that are in no final state, as they were reported last."""
        known = [self.tasks.get(TaskId(attempt, subtask)) for subtask in subtasks]
        return [report for report in known if report is not None and not TASK_STATES.is_final(report.state)]

    def answered(self, answer: CheckpointAcknowledged | CheckpointDeclined) -> None:
        """A task has answered for a checkpoint."""
        key = answer.task, answer.checkpoint
        if isinstance(answer, CheckpointAcknowledged):
            self.acknowledgements[key] = answer
        else:
            self.declines[key] = answer
        self.knows(answer.task.attempt.job)

    def confirmed(self, task: TaskId, checkpoint: CheckpointId) -> None:
        """The leader has the answer."""
        self.acknowledgements.pop((task, checkpoint), None)
        self.declines.pop((task, checkpoint), None)

    def knows(self, job: JobId) -> None:
        """Something is kept here for the job until a leader says that it has ended: blobs, what was cancelled."""
        self.jobs.add(job)

    def forget_region(self, attempt: RegionAttempt) -> None:
        """Everything of this attempt of a region, and of older ones, is settled."""

        def settled(task: TaskId) -> bool:
            same = (task.attempt.job, task.attempt.region) == (attempt.job, attempt.region)
            return same and task.attempt.number <= attempt.number

        self.tasks = {task: report for task, report in self.tasks.items() if not settled(task)}
        self.acknowledgements = {key: ack for key, ack in self.acknowledgements.items() if not settled(key[0])}
        self.declines = {key: decline for key, decline in self.declines.items() if not settled(key[0])}

    def forget_job(self, job: JobId) -> None:
        """The job has ended."""
        for region in {task.attempt for task in self.tasks} | {key[0].attempt for key in self.acknowledgements}:
            if region.job == job:
                self.forget_region(region)
        self.jobs.discard(job)
