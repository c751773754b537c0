"""What follows from several options together."""

import re
from datetime import timedelta

import pytest

from millstream_dataflow.configuration import (
    TABLE,
    Configuration,
    ConfigurationError,
    Listener,
    Origin,
    aligned_checkpoint_timeout,
    check_binding,
    check_consistency,
    checkpoint_directory,
    is_loopback,
    restart_strategy,
    savepoint_directory,
)
from millstream_dataflow.configuration.enums import CheckpointingMode, RestartStrategy
from millstream_dataflow.configuration.options import checkpointing, restart, security, unaligned
from millstream_dataflow.configuration.without_effect import refused, without_effect

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_may_be_bound(host: str) -> None:
    assert is_loopback(host)
    for listener in Listener:
        assert check_binding(host, Configuration(), listener) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "jobmanager", "localhost.example.org", ""])
def test_anything_else_is_refused_with_the_mend(host: str) -> None:
    for listener in Listener:
        with pytest.raises(ConfigurationError, match=r"run code here.*bind to localhost.*security\.insecure: true"):
            check_binding(host, Configuration(), listener)


def test_insecure_allows_it_with_a_warning() -> None:
    configuration = Configuration().with_(security.INSECURE, value=True, origin=Origin.file("millstream.yaml", 7))
    warning = check_binding("0.0.0.0", configuration, Listener.DATA_PORT)
    assert warning is not None
    assert warning.startswith("LISTENING ON 0.0.0.0 WITHOUT security.ssl.internal.enabled")
    assert "millstream.yaml:7" in warning
    assert check_binding("localhost", configuration, Listener.DATA_PORT) is None


INTERNAL = {"security.ssl.internal.enabled": "true"}
REST = {"security.ssl.rest.enabled": "true"}
TOKEN = {"security.token-file": "/tokens"}
CERTIFICATES = {"security.ssl.rest.authentication-enabled": "true"}


@pytest.mark.parametrize(
    ("listener", "settings"),
    [
        (Listener.DATA_PORT, INTERNAL),
        (Listener.JOBMANAGER, INTERNAL | REST | TOKEN),
        (Listener.JOBMANAGER, INTERNAL | REST | CERTIFICATES),
    ],
)
def test_a_safe_port_may_be_bound(listener: Listener, settings: dict[str, str]) -> None:
    configuration = Configuration.from_strings(settings)
    assert check_binding("0.0.0.0", configuration, listener) is None
    assert check_binding("0.0.0.0", configuration.with_(security.INSECURE, value=True), listener) is None


@pytest.mark.parametrize(
    ("listener", "settings", "missing"),
    [
        (Listener.DATA_PORT, REST | TOKEN, "security.ssl.internal.enabled"),
        (Listener.JOBMANAGER, REST | TOKEN, "security.ssl.internal.enabled"),
        (Listener.JOBMANAGER, INTERNAL | TOKEN, "security.ssl.rest.enabled"),
        (Listener.JOBMANAGER, INTERNAL | CERTIFICATES, "security.ssl.rest.enabled"),
        (
            Listener.JOBMANAGER,
            INTERNAL | REST,
            "security.token-file or security.ssl.rest.authentication-enabled",
        ),
    ],
)
def test_what_makes_a_port_unsafe_is_named(listener: Listener, settings: dict[str, str], missing: str) -> None:
    configuration = Configuration.from_strings(settings)
    with pytest.raises(ConfigurationError, match=f"listening on 0.0.0.0 without {re.escape(missing)} would let"):
        check_binding("0.0.0.0", configuration, listener)
    warning = check_binding("0.0.0.0", configuration.with_(security.INSECURE, value=True), listener)
    assert warning is not None
    assert f"WITHOUT {missing}, as security.insecure" in warning


@pytest.mark.parametrize(
    ("switch", "others", "needed"),
    [
        ("internal.enabled", ["internal.truststore"], "internal.keystore"),
        ("internal.enabled", ["internal.keystore"], "internal.truststore"),
        ("rest.authentication-enabled", ["rest.truststore"], "rest.enabled"),
        ("rest.authentication-enabled", ["rest.enabled"], "rest.truststore"),
    ],
)
def test_a_switch_without_what_it_needs_is_a_mistake(switch: str, others: list[str], needed: str) -> None:
    strings = {f"security.ssl.{key}": "true" if key.endswith("enabled") else "/file" for key in (switch, *others)}
    configuration = Configuration.from_strings(strings)
    with pytest.raises(ConfigurationError) as caught:
        check_consistency(configuration)
    (problem,) = caught.value.problems
    assert problem.key == f"security.ssl.{switch}"
    assert f"it needs security.ssl.{needed}, which is" in problem.reason
    value = "true" if needed.endswith("enabled") else "/file"
    check_consistency(configuration.with_text(f"security.ssl.{needed}", value))


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


def test_barriers_overtake_after_a_while_unless_something_excludes_it() -> None:
    assert aligned_checkpoint_timeout(Configuration()) == SECOND
    at_once = Configuration().with_(unaligned.ALIGNED_TIMEOUT, timedelta(0))
    assert aligned_checkpoint_timeout(at_once) == timedelta(0)
    assert aligned_checkpoint_timeout(at_once.with_(unaligned.ENABLED, value=False)) is None
    assert aligned_checkpoint_timeout(at_once.with_(checkpointing.MODE, CheckpointingMode.AT_LEAST_ONCE)) is None
    assert aligned_checkpoint_timeout(at_once.with_(checkpointing.MAX_CONCURRENT, 2)) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("execution.checkpointing.mode", "AT_LEAST_ONCE"),
        ("execution.checkpointing.max-concurrent-checkpoints", "2"),
    ],
)
def test_who_asks_for_unaligned_checkpoints_and_for_what_excludes_them_is_told(key: str, value: str) -> None:
    configuration = Configuration().with_text(key, value)
    check_consistency(configuration)
    asked = configuration.with_text("execution.checkpointing.unaligned", "true")
    with pytest.raises(ConfigurationError) as caught:
        check_consistency(asked)
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        f"execution.checkpointing.unaligned.enabled = 'true' (the program): {key} is {value} (the program), and "
    )
    check_consistency(configuration.with_text("execution.checkpointing.unaligned.enabled", "false"))


def test_flinks_keys_of_checkpointing_are_known() -> None:
    """Each is an option, has no effect and says why, or is refused with the reason."""
    keys = """aligned-checkpoint-timeout alignment-timeout checkpoints-after-tasks-finish.enabled
        cleaner.parallel-mode create-subdir data-inline-threshold dir externalized-checkpoint-retention
        file-merging.across-checkpoint-boundary file-merging.enabled file-merging.max-file-size
        file-merging.max-space-amplification incremental interval interval-during-backlog local-backup.dirs
        local-backup.enabled max-concurrent-checkpoints min-pause mode num-retained
        recover-without-channel-state.checkpoint-id savepoint-dir snapshot-compression storage timeout
        tolerable-failed-checkpoints unaligned unaligned.enabled unaligned.forced
        unaligned.interruptible-timers.enabled unaligned.max-subtasks-per-channel-state-file write-buffer-size"""
    for key in (f"execution.checkpointing.{name}" for name in keys.split()):
        assert TABLE.find(key) or without_effect(key) or refused(key), key
