"""Options become the core's settings, the job's own over the cluster's."""

from dataclasses import replace

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_jobmanager.core.settings import CheckpointSettings, ClusterSettings, RestartKind, RestartSettings
from millstream_jobmanager.service.settings import FOR_EVER, JobSettingsReader, cluster_settings, savepoints_beside
from millstream_runtime.versions import own_versions

DEFAULT = CheckpointSettings(directory="/store/checkpoints", savepoint_directory="/store/savepoints", overtaking=True)


def reader(**cluster: str) -> JobSettingsReader:
    """Over a cluster's options, `_` for `.` and `-` as it is."""
    options = {key.replace("__", "-").replace("_", "."): value for key, value in cluster.items()}
    return JobSettingsReader(Configuration.from_strings(options), "/store/checkpoints", "/store/savepoints")


def test_defaults_are_the_cores_own() -> None:
    settings = reader()({})
    assert settings.checkpoints == DEFAULT
    assert settings.restart == RestartSettings(RestartKind.NONE)
    assert cluster_settings(Configuration(), "jobmanager") == ClusterSettings(versions=own_versions())
    assert savepoints_beside("/store/checkpoints/") == "/store/savepoints"


def test_the_jobs_own_options_are_stronger_than_the_clusters() -> None:
    cluster = reader(execution_checkpointing_interval="1min", execution_checkpointing_dir="/shared")
    settings = cluster({"execution.checkpointing.interval": "2s"})
    assert settings.checkpoints == replace(DEFAULT, interval=2000, directory="/shared")
    assert settings.restart == RestartSettings()


def test_a_job_in_batch_mode_takes_no_periodic_checkpoints() -> None:
    """By its own word alone: the mode was decided when it was compiled."""
    cluster = reader(execution_runtime__mode="BATCH", execution_checkpointing_interval="1min")
    assert cluster({}).checkpoints.interval == 60_000
    assert not cluster({}).batch
    settings = cluster({"execution.runtime-mode": "BATCH"})
    assert settings.checkpoints == DEFAULT
    assert settings.batch


def test_what_a_job_says_of_the_cluster_counts_for_nothing() -> None:
    settings = reader(slot_request_timeout="7s")({"slot.request.timeout": "1s"})
    assert settings.slot_request_timeout == 7000


def test_the_time_for_a_start_is_the_clusters_option() -> None:
    configuration = Configuration.from_strings({"jobmanager.execution.deployment-timeout": "7s"})
    assert cluster_settings(configuration, "jobmanager").deployment_timeout == 7000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"restart-strategy.type": "none"}, RestartSettings(RestartKind.NONE)),
        (
            {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "4"},
            RestartSettings(RestartKind.FIXED_DELAY, attempts=4),
        ),
        (
            {"restart-strategy.type": "failure-rate", "restart-strategy.failure-rate.delay": "3s"},
            RestartSettings(RestartKind.FAILURE_RATE, attempts=1, delay=3000),
        ),
        (
            {"restart-strategy.type": "exponential-delay", "restart-strategy.exponential-delay.max-backoff": "9s"},
            RestartSettings(max_delay=9000),
        ),
    ],
    ids=["none", "fixed", "rate", "exponential"],
)
def test_restart_strategies(options: dict[str, str], expected: RestartSettings) -> None:
    assert reader()(options).restart == expected


def test_a_cancellation_that_waits_for_ever_has_a_number() -> None:
    assert reader()({"task.cancellation.timeout": "0"}).cancellation_timeout == FOR_EVER


def test_options_that_cannot_be_read_are_named() -> None:
    with pytest.raises(ConfigurationError, match="num-retained"):
        reader()({"execution.checkpointing.num-retained": "many"})
