"""How jobs end, and what people may ask twice."""

from dataclasses import replace

import pytest

from millstream_jobmanager.core.commands import DeleteRecord, DiscardJob, Tell
from millstream_jobmanager.core.events import Tick
from millstream_jobmanager.core.settings import RestartSettings
from millstream_runtime.messages.client import CancelJob, StopJob, TriggerSavepoint
from millstream_runtime.messages.record import Intent
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, Rule, settings_of
from tests.support.graphs import JOB, keyed_job


def running(**checkpoints: object) -> CoreShell:
    """A job that takes a checkpoint every second."""
    options = {"interval": 1_000, **checkpoints}
    shell = CoreShell(settings_of(checkpoints=options, restart=RestartSettings(delay=10)))
    shell.register("a", 2)
    shell.submit(keyed_job(1, bounded=False))
    shell.until_state(JobState.RUNNING)
    return shell


def last_kept(shell: CoreShell) -> tuple[str, ...]:
    """What was kept when the job's data was deleted last."""
    return [command.kept for command in shell.commands if isinstance(command, DiscardJob)][-1]


class TestWhatStays:
    @pytest.mark.parametrize("retain", [True, False])
    def test_a_new_leader_keeps_what_was_kept_when_the_job_was_cancelled(self, *, retain: bool) -> None:
        """Law 2.3: whatever the configuration says by then."""
        shell = running(retain_on_cancel=retain)
        shell.ask(TriggerSavepoint(JOB, "save"))
        shell.run(5_000)
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        kept = last_kept(shell)
        assert len(kept) == (3 if retain else 1)
        shell.kill_jobmanager()
        other = replace(shell.settings.checkpoints, retain_on_cancel=not retain)
        shell.settings = replace(shell.settings, checkpoints=other)
        shell.commands.clear()
        shell.start_jobmanager()
        assert last_kept(shell) == kept

    def test_a_new_leader_keeps_the_tombstone_for_its_whole_time(self) -> None:
        """Law 2.3: from when it took the job in, however long its machine is up; a repeated submit starts no job."""
        shell = running()
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        failure = shell.job().status().failure
        shell.kill_jobmanager()
        shell.now += 10 * shell.cluster.tombstone_time
        shell.start_jobmanager()
        shell.run(shell.cluster.tombstone_time - 1)
        status = shell.job().status()
        assert (status.state, status.failure) == (JobState.CANCELED, failure)
        shell.run(1)
        assert shell.core.jobs == {}

    def test_what_landed_after_its_end_goes_before_it_is_forgotten(self) -> None:
        """Law 2.3: a write that was under way, or a task that nobody could reach, may put something there once more."""
        shell = running()
        shell.run(2_000)
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        kept = last_kept(shell)
        shell.commands.clear()
        shell.run(shell.cluster.tombstone_time)
        ends = [command for command in shell.commands if isinstance(command, DiscardJob | DeleteRecord)]
        assert ends == [DiscardJob(JOB, kept, sweep=1), DeleteRecord(JOB)]

    def test_the_record_stays_until_the_storage_lets_its_data_go(self) -> None:
        """Law 2.3: nobody else knows of them. It is asked every now and then, by a new leader as well."""
        shell = running()
        shell.keeps = True
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        shell.run(shell.cluster.tombstone_time + 3 * shell.cluster.sweep_again)
        sweeps = [command for command in shell.commands if isinstance(command, DiscardJob)]
        assert len(sweeps) == 1 + 1 + 3
        assert JOB in shell.core.jobs
        shell.kill_jobmanager()
        shell.start_jobmanager()
        shell.run(shell.cluster.tombstone_time)
        assert JOB in shell.core.jobs
        shell.keeps = False
        shell.run(shell.cluster.sweep_again + shell.cluster.retry_delay)
        assert shell.core.jobs == {}
        assert shell.records == {}

    def test_the_record_outlives_the_last_deletion_also_under_a_leader_that_was_late(self) -> None:
        """Law 2.3: who deletes the data still finds the job there, and the next leader does so if this one dies."""
        shell = running()
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        shell.commands.clear()
        shell.now += 2 * shell.cluster.tombstone_time
        shell.handle(Tick())
        assert not any(isinstance(command, DeleteRecord) for command in shell.commands)
        assert JOB in shell.core.jobs
        shell.run(shell.cluster.retry_delay)
        assert shell.core.jobs == {}

    def test_savepoints_stay_however_many_there_are(self) -> None:
        """Law 2.3: also those whose place is in the directory that is deleted."""
        shell = running()
        for number in range(150):
            shell.ask(TriggerSavepoint(JOB, f"s{number}", "elsewhere" if number % 2 else ""))
            shell.run(50)
        taken = {path for path in shell.metadata if "savepoint" in path}
        assert len(taken) == 150
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELED)
        assert set(last_kept(shell)) == taken


class TestStop:
    def test_one_that_was_answered_with_a_failure_does_not_stop_the_job_when_it_is_repeated(self) -> None:
        """The client that didn't hear the answer asks again, and gets it."""
        shell = running()
        stop = StopJob(JOB, "stop", StopMode.STOP)
        shell.storage.always = Rule.REFUSED
        shell.ask(stop)
        shell.run_until(lambda: bool(shell.records[JOB].results))
        shell.storage.always = Rule.DONE
        shell.until_state(JobState.RUNNING)
        before = shell.records[JOB].results
        reply = shell.ask(stop)
        shell.run(20_000)
        assert shell.replies[reply].refusal is None
        assert shell.records[JOB].results == before
        assert (shell.records[JOB].intent, shell.job().state) == (Intent.RUN, JobState.RUNNING)

    def test_another_one_stops_it(self) -> None:
        shell = running()
        shell.ask(StopJob(JOB, "stop", StopMode.STOP))
        shell.until_state(JobState.FINISHED)


class TestNote:
    def test_a_job_that_ends_says_what_it_waits_for(self) -> None:
        shell = running()
        shell.storage.always = Rule.HELD
        shell.run_until(lambda: bool(shell.storage.held))
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELLING)
        shell.store.always = Rule.LOST
        shell.let_go()
        assert shell.job().status().note == "waiting for 1 worker to end"
        shell.run(10_000)
        assert shell.job().status().note == "waiting for a checkpoint to be stored"
        shell.store.always = Rule.DONE
        shell.until_state(JobState.CANCELED)
        assert shell.job().status().note == ""

    def test_an_end_that_can_not_be_stored(self) -> None:
        shell = running()
        shell.run(100)
        shell.ask(CancelJob(JOB))
        shell.until_state(JobState.CANCELLING)
        shell.store.always = Rule.REFUSED
        shell.run(10_000)
        assert shell.job().status().note == "waiting for its end to be stored"


class TestWhatTheLogSays:
    def test_what_a_client_asks_once_and_where_a_savepoint_goes(self) -> None:
        shell = running()
        shell.commands.clear()
        stop = StopJob(JOB, "stop", StopMode.DRAIN, "/elsewhere")
        for ask in (TriggerSavepoint(JOB, "save", "/there"), stop, stop, CancelJob(JOB)):
            shell.ask(ask)
            shell.run(3)
        shell.until_state(JobState.CANCELED)
        told = [command.text for command in shell.commands if isinstance(command, Tell)]
        assert [text for text in told if text.startswith("a client")] == [
            "a client asks for a savepoint in /there",
            "a client asks to drain and stop it with a savepoint in /elsewhere",
            "a client asks to cancel it",
        ]
