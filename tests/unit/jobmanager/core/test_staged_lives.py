"""Random lives of a job in stages (law 5.2): the faults of `test_random_lives`, and results that are lost. Whatever
happens, all that the job's end was made of was made of one attempt of each region.
"""

import hypothesis

from millstream_dataflow.identity import RegionAttempt, RegionId
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core.commands import Command, Send
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.settings import RestartSettings
from millstream_runtime.messages import session as m
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DeployWorker, RegionDeployment
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.states import JOB_STATES, JobState, TaskState
from tests.support.core_shell import settings_of
from tests.support.graphs import JOB, staged_job
from tests.unit.jobmanager.core.test_random_lives import LIVES, Life

SETTINGS = settings_of(restart=RestartSettings(delay=50, max_delay=200), batch=True)


class StagedLife(Life):
    """One seed's life."""

    def __init__(self, seed: int) -> None:
        self.reads: dict[RegionAttempt, frozenset[RegionAttempt]] = {}
        """What each attempt was told to read."""
        super().__init__(seed, staged_job(2), SETTINGS)
        self.shell.heard = self.hear

    def hear(self, command: Command) -> None:
        """A deployment says what is read."""
        if isinstance(command, Send) and isinstance(message := command.message, DeployWorker):
            deployment = decode(RegionDeployment, self.shell.blobs[message.deployment.digest])
            self.reads[message.attempt] = frozenset(placement.attempt for placement in deployment.inputs)

    def deeds(self) -> list[str]:
        rarely = {"savepoint", "stop", "decline", "hold", "release"}
        return [*(deed for deed in super().deeds() if deed not in rarely), *["finish"] * 6, "miss"]

    # ------------------------------------------------------------ deeds

    def regions(self, state: RegionState) -> list[Region]:
        """Those of the job that are there."""
        job = self.shell.core.jobs.get(JOB) if self.alive else None
        return [] if job is None else [region for region in job.context.regions if region.state is state]

    def finish(self) -> None:
        """A stage is through, or a part of it."""
        if running := self.regions(RegionState.RUNNING):
            self.through(self.random.choice(running))

    def through(self, region: Region) -> None:
        """All its input is read, and what it leaves is complete; the last one waits for the job's final checkpoint."""
        last = region.plan.id in self.shell.plan(JOB).last_regions
        for taskmanager in list(self.shell.taskmanagers.values()):
            if not last:
                taskmanager.finish(region.attempt)
            for task in [task for task in taskmanager.tasks if task.attempt == region.attempt and last]:
                taskmanager.report(m.TaskReport(task, TaskState.RUNNING, ended=EndReason.INPUT))

    def miss(self) -> None:
        """A reader finds damaged what it reads, of whichever attempt it was told of."""
        for region in self.regions(RegionState.RUNNING):
            for taskmanager in self.shell.taskmanagers.values():
                tasks = sorted(task for task in taskmanager.tasks if task.attempt == region.attempt)
                if tasks and (read := sorted(self.reads.get(region.attempt, ()))):
                    failure = Failure(FailureKind.EXTERNAL, "damaged", result=self.random.choice(read))
                    taskmanager.report(m.TaskReport(self.random.choice(tasks), TaskState.FAILED, failure))
                    return

    # ------------------------------------------------------------ the end

    def end(self) -> JobState:
        """Stage by stage to the end."""
        for _ in range(40):
            if JOB not in self.shell.core.jobs:
                return JobState.CANCELED  # refused at submit
            job = self.shell.job(JOB)
            if JOB_STATES.is_final(job.state):
                return job.state
            for region in self.regions(RegionState.RUNNING):
                self.through(region)
            self.shell.run(1_000)
        raise AssertionError(f"it stands still: {[r.state.name for r in self.shell.job(JOB).context.regions]}")

    def made_of(self) -> dict[RegionId, set[RegionAttempt]]:
        """The attempts that have a part in what the last stage has committed."""
        [last] = self.shell.plan(JOB).last_regions
        read = max(attempt for attempt, inputs in self.reads.items() if attempt.region == last and inputs)
        found: dict[RegionId, set[RegionAttempt]] = {}
        waiting = {read}
        while waiting:
            attempt = waiting.pop()
            found.setdefault(attempt.region, set()).add(attempt)
            waiting |= self.reads.get(attempt, frozenset())
        return found


def test_any_order_of_faults() -> None:
    """Laws 1.3, 2.1, 3.1, 3.2, 3.4, 5.2."""
    finished = again = 0
    for seed in range(LIVES * hypothesis.settings().max_examples):
        life = StagedLife(seed)
        try:
            for _ in range(40):
                life.step()
            life.heal()
            state = life.end()
            life.shell.run(3_000)
            assert state in (JobState.FINISHED, JobState.CANCELED)
            assert not any(taskmanager.workers for taskmanager in life.shell.taskmanagers.values()), "workers are left"
            if state is JobState.FINISHED:
                finished += 1
                made_of = life.made_of()
                assert set(made_of) == set(life.shell.plan(JOB).region_of.values()), "each stage has its part"
                assert all(len(attempts) == 1 for attempts in made_of.values()), f"two halves of a stage: {made_of}"
                again += any(attempt.number > 1 for attempts in made_of.values() for attempt in attempts)
        except Exception as error:
            error.add_note(f"seed {seed}:\n" + "\n".join(life.story))
            raise
    assert finished > again > 0, "some went well at once, some had to do it again"
