"""What follows from several options together."""

from datetime import timedelta

import pytest

from millstream_dataflow.configuration import (
    Configuration,
    ConfigurationError,
    Origin,
    check_binding,
    check_consistency,
    checkpoint_directory,
    is_loopback,
    restart_strategy,
    savepoint_directory,
)
from millstream_dataflow.configuration.enums import RestartStrategy
from millstream_dataflow.configuration.options import checkpointing, restart, security

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_may_be_bound(host: str) -> None:
    assert is_loopback(host)
    assert check_binding(host, Configuration()) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "jobmanager", "localhost.example.org", ""])
def test_anything_else_is_refused_with_the_mend(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"run code here.*bind to localhost.*security\.insecure: true"):
        check_binding(host, Configuration())


def test_insecure_allows_it_with_a_warning() -> None:
    configuration = Configuration().with_(security.INSECURE, value=True, origin=Origin.file("millstream.yaml", 7))
    warning = check_binding("0.0.0.0", configuration)
    assert warning is not None
    assert warning.startswith("listening on 0.0.0.0 without encryption or authentication")
    assert "millstream.yaml:7" in warning
    assert check_binding("localhost", configuration) is None


def test_checkpoints_make_exponential_delay_the_default() -> None:
    assert restart_strategy(Configuration()) is RestartStrategy.NONE
    periodic = Configuration().with_(checkpointing.INTERVAL, SECOND)
    assert restart_strategy(periodic) is RestartStrategy.EXPONENTIAL_DELAY
    assert restart_strategy(periodic.with_(restart.STRATEGY, RestartStrategy.NONE)) is RestartStrategy.NONE


def test_directories_default_into_the_job_store() -> None:
    configuration = Configuration()
    assert checkpoint_directory(configuration, "/store/") == "/store/checkpoints"
    assert savepoint_directory(configuration, "s3://bucket") == "s3://bucket/savepoints"
    chosen = configuration.with_(checkpointing.DIRECTORY, "/c").with_(checkpointing.SAVEPOINT_DIRECTORY, "/s")
    assert checkpoint_directory(chosen, "/store") == "/c"
    assert savepoint_directory(chosen, "/store") == "/s"


def test_defaults_agree_with_each_other() -> None:
    check_consistency(Configuration())


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (("heartbeat.interval", "1 h"), ("heartbeat.timeout", "50 s")),
        (("taskmanager.network.peer-ping-interval", "1 h"), ("taskmanager.network.peer-timeout", "15 s")),
        (
            ("restart-strategy.exponential-delay.initial-backoff", "1 h"),
            ("restart-strategy.exponential-delay.max-backoff", "1 min"),
        ),
        (("task.cancellation.failover-timeout", "1 h"), ("jobmanager.execution.deployment-timeout", "1 min")),
    ],
)
def test_contradictions_name_both_keys(low: tuple[str, str], high: tuple[str, str]) -> None:
    configuration = Configuration().with_text(*low)
    with pytest.raises(ConfigurationError) as caught:
        check_consistency(configuration)
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        f"{low[0]} = '{low[1]}' (the program): it is above {high[0]} = {high[1]} (default), so "
    )
