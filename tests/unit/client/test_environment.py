"""The environment: settings, their order, and PyFlink's names for them."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millstream.datastream.call_site import call_site
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.enums import (
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    RuntimeExecutionMode,
)
from millstream_dataflow.configuration.options import checkpointing, execution
from millstream_dataflow.time import Duration, Time
from tests.unit.client.programs import FakeExecutor, environment, numbers


def test_a_program_s_settings_go_before_those_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_PARALLELISM_DEFAULT", "5")
    env = StreamExecutionEnvironment.get_execution_environment({"parallelism.default": 3})
    assert env.get_parallelism() == 3
    assert env.set_parallelism(2).get_parallelism() == 2


def test_configure_takes_dicts_of_texts_and_values_and_configurations() -> None:
    env = environment()
    env.configure({"parallelism.default": "2", "pipeline.operator-chaining.enabled": False})
    env.configure({"execution.checkpointing.timeout": timedelta(seconds=3)})
    env.configure(Configuration().with_text("pipeline.max-parallelism", "77"))
    assert (env.get_parallelism(), env.get_max_parallelism(), env.is_chaining_enabled()) == (2, 77, False)
    assert env.get_checkpoint_config().get_checkpoint_timeout() == 3000


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"paralelism.default \(the program\).*did you mean parallelism.default"
    ):
        environment().configure({"paralelism.default": 2})


def test_a_value_that_is_not_accepted_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigurationError, match=r"parallelism.default = '0' \(the program\).*accepted is"):
        environment().set_parallelism(0)
    with pytest.raises(ConfigurationError, match="STREAMING alone in this version"):
        environment().set_runtime_mode(RuntimeExecutionMode.BATCH)


def test_keys_without_effect_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    env = environment(FakeExecutor()).configure({"pekko.ask.timeout": "1 s"})
    with caplog.at_level(logging.WARNING, "millstream"):
        for _ in range(2):
            numbers(env).print()
            env.execute()
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == ["pekko.ask.timeout"]


SETTERS: list[tuple[Callable[[StreamExecutionEnvironment], Any], Callable[[StreamExecutionEnvironment], Any], Any]] = [
    (lambda e: e.set_max_parallelism(9), lambda e: e.get_max_parallelism(), 9),
    (lambda e: e.set_buffer_timeout(7), lambda e: e.get_buffer_timeout(), 7),
    (lambda e: e.disable_operator_chaining(), lambda e: e.is_chaining_enabled(), False),
    (
        lambda e: e.set_runtime_mode(RuntimeExecutionMode.STREAMING),
        lambda e: e.configuration.get(execution.RUNTIME_MODE),
        RuntimeExecutionMode.STREAMING,
    ),
    (lambda e: e.get_config().set_parallelism(4), lambda e: e.get_config().get_parallelism(), 4),
    (lambda e: e.get_config().set_max_parallelism(8), lambda e: e.get_config().get_max_parallelism(), 8),
    (
        lambda e: e.get_config().set_auto_watermark_interval(Duration.of_millis(50)),
        lambda e: e.get_config().get_auto_watermark_interval(),
        50,
    ),
]


@pytest.mark.parametrize(("setter", "getter", "expected"), SETTERS)
def test_settings(
    setter: Callable[[StreamExecutionEnvironment], Any],
    getter: Callable[[StreamExecutionEnvironment], Any],
    expected: object,
) -> None:
    env = environment()
    setter(env)
    assert getter(env) == expected


class TestCheckpointConfig:
    """`get_checkpoint_config()` is a view of the keys."""

    def test_it_is_off_at_first(self) -> None:
        config = environment().get_checkpoint_config()
        assert not config.is_checkpointing_enabled()
        assert config.get_checkpoint_interval() == -1
        assert config.get_checkpointing_mode() is CheckpointingMode.EXACTLY_ONCE

    @pytest.mark.parametrize("interval", [1000, timedelta(seconds=1), Duration.of_seconds(1), Time.seconds(1)])
    def test_enabling(self, interval: int | timedelta | Duration | Time) -> None:
        env = environment().enable_checkpointing(interval, CheckpointingMode.AT_LEAST_ONCE)
        assert env.get_checkpoint_config().is_checkpointing_enabled()
        assert env.get_checkpoint_interval() == 1000
        assert env.get_checkpointing_mode() is CheckpointingMode.AT_LEAST_ONCE

    def test_a_mode_that_was_set_stays_when_none_is_given(self) -> None:
        env = environment()
        env.get_checkpoint_config().set_checkpointing_mode(CheckpointingMode.AT_LEAST_ONCE)
        assert env.enable_checkpointing(10).get_checkpointing_mode() is CheckpointingMode.AT_LEAST_ONCE

    def test_all_setters(self) -> None:
        env = environment()
        retain = ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION
        config = env.get_checkpoint_config()
        config.set_checkpoint_timeout(60_000).set_min_pause_between_checkpoints(500).set_max_concurrent_checkpoints(2)
        config.set_tolerable_checkpoint_failure_number(3).set_externalized_checkpoint_retention(retain)
        config.set_checkpoint_storage_dir("/checkpoints")
        again = env.get_checkpoint_config()
        assert again.get_checkpoint_timeout() == 60_000
        assert again.get_min_pause_between_checkpoints() == 500
        assert again.get_max_concurrent_checkpoints() == 2
        assert again.get_tolerable_checkpoint_failure_number() == 3
        assert again.get_externalized_checkpoint_retention() is retain
        assert again.is_externalized_checkpoints_enabled()
        assert again.get_checkpoint_storage_dir() == "/checkpoints"
        assert env.configuration.text(checkpointing.MIN_PAUSE) == "500 ms"

    def test_an_interval_that_is_too_short(self) -> None:
        with pytest.raises(ConfigurationError, match=r"execution.checkpointing.interval.*10 ms or more"):
            environment().enable_checkpointing(1)


def test_a_place_below_the_current_folder_is_shown_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_site().startswith("tests/unit/client/test_environment.py:")
    monkeypatch.chdir("/")
    assert call_site().partition(":")[0] == str(Path(__file__)).removeprefix("/")


def test_a_program_may_be_written_in_a_function_of_another_module() -> None:
    env = environment()
    assert numbers(env)._transformation.defined_at.startswith("tests/unit/client/programs.py:")  # type: ignore[attr-defined]  # an operator's
