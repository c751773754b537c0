"""The environment: settings, their order, and PyFlink's names for them."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millstream.datastream.call_site import call_site
from millstream.datastream.checkpoint_config import CheckpointConfig
from millstream.datastream.configuration import Configuration as ProgramConfiguration
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.errors import ArgumentError, EmptyProgramError, NotSupportedError, ProgramError
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.enums import (
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    RuntimeExecutionMode,
)
from millstream_dataflow.configuration.options import checkpointing, execution, restart
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


class TestConfiguration:
    """PyFlink's `Configuration`, made call by call."""

    def test_it_sets_what_the_environment_then_has(self) -> None:
        config = ProgramConfiguration().set_string("execution.checkpointing.interval", "2 s")
        assert config.set_integer("parallelism.default", 3) is config
        config.set_boolean("pipeline.operator-chaining.enabled", value=False)
        config.set_float("restart-strategy.exponential-delay.jitter-factor", 0.5)
        env = StreamExecutionEnvironment.get_execution_environment(config)
        assert (env.get_parallelism(), env.is_chaining_enabled(), env.get_checkpoint_interval()) == (3, False, 2_000)
        assert env.configuration.get(restart.EXPONENTIAL_JITTER) == 0.5

    def test_it_tells_what_was_set(self) -> None:
        config = ProgramConfiguration({"parallelism.default": 3, "pipeline.object-reuse": True})
        assert (config.get_integer("parallelism.default", 1), config.get_integer("pipeline.max-parallelism", 9)) == (
            3,
            9,
        )
        assert config.get_boolean("pipeline.object-reuse", default_value=False)
        assert config.get_string("parallelism.default", "") == "3"
        assert config.get_float("parallelism.default", 0.0) == 3.0
        assert config.to_dict() == {"parallelism.default": "3", "pipeline.object-reuse": "true"}
        assert config.contains_key("pipeline.object-reuse")
        assert config.remove_config("pipeline.object-reuse")
        assert config.key_set() == {"parallelism.default"}
        assert ProgramConfiguration().add_all({"default": 3}, "parallelism.") == config

    def test_pyflinks_ways_to_and_from_others(self) -> None:
        config = ProgramConfiguration.from_dict({"parallelism.default": "3"})
        config.set_bytearray("pipeline.name", bytearray(b"job"))
        assert config.get_bytearray("pipeline.name", bytearray()) == b"job"
        assert config.get_bytearray("pipeline.max-parallelism", bytearray(b"1")) == b"1"
        texts = {"other": "x"}
        config.add_all_to_dict(texts)
        assert texts == {"other": "x", "parallelism.default": "3", "pipeline.name": "job"}

    @pytest.mark.parametrize(
        ("text", "values"), [("", []), ("a;b", ["a", "b"]), ("[a, 'b']", ["a", "b"]), ("a", ["a"]), ("[]", [])]
    )
    def test_lists_in_a_text(self, text: str, values: list[str]) -> None:
        assert ProgramConfiguration.parse_list_value(text) == values

    def test_mistakes_are_refused_at_the_call(self) -> None:
        config = ProgramConfiguration()
        with pytest.raises(ConfigurationError, match=r"did you mean parallelism.default"):
            config.set_string("paralelism.default", "2")
        with pytest.raises(ConfigurationError, match=r"parallelism.default = '0'"):
            config.set_integer("parallelism.default", 0)
        assert config.to_dict() == {}


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"paralelism.default \(the program\).*did you mean parallelism.default"
    ):
        environment().configure({"paralelism.default": 2})


def test_a_value_that_is_not_accepted_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigurationError, match=r"parallelism.default = '0' \(the program\).*accepted is"):
        environment().set_parallelism(0)


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
        lambda e: e.set_runtime_mode(RuntimeExecutionMode.BATCH),
        lambda e: e.configuration.get(execution.RUNTIME_MODE),
        RuntimeExecutionMode.BATCH,
    ),
    (lambda e: e.get_config().set_parallelism(4), lambda e: e.get_config().get_parallelism(), 4),
    (lambda e: e.get_config().set_max_parallelism(8), lambda e: e.get_config().get_max_parallelism(), 8),
    (lambda e: e.get_config().enable_object_reuse(), lambda e: e.get_config().is_object_reuse_enabled(), True),
    (
        lambda e: e.get_config().enable_object_reuse().disable_object_reuse(),
        lambda e: e.get_config().is_object_reuse_enabled(),
        False,
    ),
    (
        lambda e: e.set_default_savepoint_directory("/savepoints"),
        lambda e: e.get_default_savepoint_directory(),
        "/savepoints",
    ),
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
        assert not again.is_fail_on_checkpointing_errors()
        assert env.configuration.text(checkpointing.MIN_PAUSE) == "500 ms"

    def test_pyflink_1_names_of_the_retention(self) -> None:
        config = environment().get_checkpoint_config()
        delete, retain = (
            ExternalizedCheckpointRetention.DELETE_ON_CANCELLATION,
            ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION,
        )
        assert config.enable_externalized_checkpoints(delete).get_externalized_checkpoint_cleanup() is delete
        assert config.set_externalized_checkpoint_cleanup(retain).get_externalized_checkpoint_retention() is retain

    def test_barriers_overtake_after_a_second_unless_told_otherwise(self) -> None:
        config = environment().get_checkpoint_config()
        assert config.is_unaligned_checkpoints_enabled()
        assert config.get_alignment_timeout() == Duration.of_seconds(1)
        assert not config.disable_unaligned_checkpoints().is_unaligned_checkpoints_enabled()
        assert not config.enable_unaligned_checkpoints(enabled=False).is_unaligned_checkpoints_enabled()
        assert config.enable_unaligned_checkpoints().is_unaligned_checkpoints_enabled()
        config.set_alignment_timeout(timedelta(seconds=2))
        assert config.get_aligned_checkpoint_timeout() == Duration.of_seconds(2)
        assert config.set_aligned_checkpoint_timeout(Duration.of_millis(0)).get_alignment_timeout() == Duration(0)
        with pytest.raises(ConfigurationError, match=r"aligned-checkpoint-timeout.*0 ms or more"):
            config.set_alignment_timeout(-1)

    def test_what_is_about_streams_that_feed_themselves_changes_nothing(self) -> None:
        config = environment().get_checkpoint_config().set_force_unaligned_checkpoints()
        assert not config.is_force_unaligned_checkpoints()
        assert config.set_max_subtasks_per_channel_state_file(5).get_max_subtasks_per_channel_state_file() == 1
        with pytest.raises(NotSupportedError, match="with its records in flight, or not at all"):
            config.set_checkpoint_id_of_ignored_in_flight_data  # type: ignore[attr-defined]  # the point  # noqa: B018

    def test_unaligned_checkpoints_that_were_asked_for_exclude_others(self) -> None:
        env = environment()
        numbers(env).print()
        config = env.enable_checkpointing(1_000, CheckpointingMode.AT_LEAST_ONCE).get_checkpoint_config()
        env.get_execution_plan()
        config.enable_unaligned_checkpoints()
        with pytest.raises(ConfigurationError, match=r"unaligned.enabled = 'true'.*mode is AT_LEAST_ONCE"):
            env.get_execution_plan()

    def test_failed_checkpoints_are_tolerated_or_not(self) -> None:
        config = environment().get_checkpoint_config()
        assert config.set_fail_on_checkpointing_errors(False).get_tolerable_checkpoint_failure_number() == 2**31 - 1
        assert config.set_fail_on_checkpointing_errors(True).is_fail_on_checkpointing_errors()

    def test_the_defaults_have_pyflinks_names(self) -> None:
        assert CheckpointConfig.DEFAULT_MODE is CheckpointingMode.EXACTLY_ONCE
        assert CheckpointConfig.DEFAULT_TIMEOUT == 600_000
        assert CheckpointConfig.DEFAULT_MIN_PAUSE_BETWEEN_CHECKPOINTS == 0
        assert CheckpointConfig.DEFAULT_MAX_CONCURRENT_CHECKPOINTS == 1

    def test_an_interval_that_is_too_short(self) -> None:
        with pytest.raises(ConfigurationError, match=r"execution.checkpointing.interval.*10 ms or more"):
            environment().enable_checkpointing(1)
        with pytest.raises(ConfigurationError, match=r"execution.checkpointing.interval = '-1 ms' \(the program\)"):
            environment().enable_checkpointing(-1)


def test_the_plan_is_json_in_flinks_form() -> None:
    env = environment()
    numbers(env).key_by(abs).reduce(max).print()
    for _ in range(2):  # the program is still there
        plan = json.loads(env.get_execution_plan())
        assert [node["type"] for node in plan["nodes"]] == ["Source: Collection", "Keyed Reduce", "Sink: Print"]


def test_a_plan_of_what_can_not_become_a_job() -> None:
    with pytest.raises(EmptyProgramError):
        environment().get_execution_plan()


def test_lines_of_a_file_by_pyflink_1s_name(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a\nb\n", encoding="utf-8")
    env = environment(execution_target="inline")
    with env.read_text_file(str(tmp_path / "lines.txt")).execute_and_collect() as lines:
        assert (lines.next(), lines.next()) == ("a", "b")
    with pytest.raises(ValueError, match="in UTF-8 alone, but got the charset 'latin-1'"):
        env.read_text_file("lines.txt", "latin-1")


def test_a_stream_tells_how_its_program_runs() -> None:
    env = environment().set_parallelism(3)
    assert numbers(env).get_execution_config().get_parallelism() == 3


def test_closing_changes_nothing() -> None:
    fake = FakeExecutor()
    env = environment(fake)
    numbers(env).print()
    env.close()
    env.execute()
    assert len(fake.graphs) == 1


@pytest.mark.parametrize("name", ["add_source", "add_python_archive", "register_job_listener", "create_input"])
def test_what_is_not_there_yet(name: str) -> None:
    with pytest.raises(NotSupportedError, match=rf"{name} of a StreamExecutionEnvironment isn't there yet; \w"):
        getattr(environment(), name)
    with pytest.raises(AttributeError, match="a StreamExecutionEnvironment has no 'execte'"):
        environment().execte  # type: ignore[attr-defined]  # that is the point  # noqa: B018


def test_a_place_below_the_current_folder_is_shown_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_site().startswith("tests/unit/client/test_environment.py:")
    monkeypatch.chdir("/")
    assert call_site().partition(":")[0] == str(Path(__file__)).removeprefix("/")


def test_a_program_may_be_written_in_a_function_of_another_module() -> None:
    env = environment()
    assert numbers(env)._transformation.defined_at.startswith("tests/unit/client/programs.py:")  # type: ignore[attr-defined]  # an operator's


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (5, "5 is no str"),
        (0, "0 is no str"),
        ([], r"\[\] is no str"),
        (" ", "got an empty one"),
        ("n" * 100_000, r"'nnn\S*' has 100,000 characters, and 500 at most are taken"),
        ("job \ud800", r"'job \\ud800' has a lone surrogate, which is no character"),
    ],
)
def test_what_is_no_name_is_refused_before_anything_runs(name: Any, words: str) -> None:  # noqa: ANN401  # that is the point
    env = environment()
    stream = numbers(env)
    stream.print()
    calls: list[tuple[str, Callable[[Any], object], type[Exception]]] = [
        ("execute", env.execute, ArgumentError),
        ("execute", env.execute_async, ArgumentError),
        ("execute", stream.execute_and_collect, ArgumentError),
        ("name", stream.name, ProgramError),
        ("uid", stream.uid, ProgramError),
    ]
    for call, function, kind in calls:
        with pytest.raises(kind, match=f"{call} takes a name, but {words}") as raised:
            function(name)
        assert len(str(raised.value)) < 300


def test_a_name_of_the_configuration_is_checked_as_well() -> None:
    env = environment().configure({"pipeline.name": "n" * 100_000})
    with pytest.raises(ArgumentError, match="has 100,000 characters"):
        env.execute()
