"""Calls that only a JVM needs are accepted, and one warning each says that they do nothing."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from millstream import StreamExecutionEnvironment
from millstream.errors import ArgumentError
from tests.unit.client.programs import environment

Call = Callable[[StreamExecutionEnvironment], object]

CALLS: dict[str, Call] = {
    "add_jars": lambda env: env.add_jars("file:///a.jar", "file:///b.jar"),
    "add_classpaths": lambda env: env.add_classpaths("file:///a.jar"),
    "set_python_executable": lambda env: env.set_python_executable("/usr/bin/python3"),
    "add_default_kryo_serializer": lambda env: env.add_default_kryo_serializer("a.B", "c.D"),
    "register_type": lambda env: env.register_type("a.B"),
    "register_type_with_kryo_serializer": lambda env: env.register_type_with_kryo_serializer("a.B", "c.D"),
}
OF_CONFIG: dict[str, tuple[Any, ...]] = {
    "set_task_cancellation_interval": (5,),
    "enable_closure_cleaner": (),
    "disable_closure_cleaner": (),
    "enable_force_kryo": (),
    "disable_force_kryo": (),
    "enable_force_avro": (),
    "disable_force_avro": (),
    "enable_generic_types": (),
    "disable_generic_types": (),
    "add_default_kryo_serializer": ("a.B", "c.D"),
    "set_latency_tracking_interval": (5,),
    "set_use_snapshot_compression": (True,),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_the_environment(name: str, caplog: pytest.LogCaptureFixture) -> None:
    env = environment()
    with caplog.at_level(logging.WARNING, "millstream"):
        CALLS[name](env)
        CALLS[name](env)
    [sentence] = caplog.messages
    assert sentence.startswith(f"{name} has no effect: ")
    assert "test_calls_for_a_jvm.py:" in sentence


@pytest.mark.parametrize("name", OF_CONFIG)
def test_calls_of_the_execution_config(name: str, caplog: pytest.LogCaptureFixture) -> None:
    env = environment()
    with caplog.at_level(logging.WARNING, "millstream"):
        config = getattr(env.get_config(), name)(*OF_CONFIG[name])
        getattr(env.get_config(), name)(*OF_CONFIG[name])
    [sentence] = caplog.messages
    assert sentence.startswith(f"{name} has no effect: ")
    assert config.get_parallelism() == 1


def test_what_is_asked_tells_how_it_is_here() -> None:
    config = environment().get_config()
    config.enable_force_kryo().enable_force_avro().disable_generic_types().set_latency_tracking_interval(5)
    told = (
        config.is_force_kryo_enabled(),
        config.is_force_avro_enabled(),
        config.has_generic_types_disabled(),
        config.is_closure_cleaner_enabled(),
        config.is_use_snapshot_compression(),
    )
    assert not any(told)
    assert (config.get_latency_tracking_interval(), config.get_task_cancellation_interval()) == (0, 0)
    assert config.get_default_kryo_serializer_classes() == {}
    assert config.get_registered_kryo_types() == config.get_registered_pojo_types() == []


def test_what_has_an_effect() -> None:
    env = environment()
    assert env.get_config().set_task_cancellation_timeout(5_000).get_task_cancellation_timeout() == 5_000
    assert env.get_checkpointing_consistency_mode() is env.get_checkpointing_mode()
    assert env.is_unaligned_checkpoints_enabled()
    env.get_checkpoint_config().disable_unaligned_checkpoints()
    assert not env.is_unaligned_checkpoints_enabled()
    assert not env.is_force_unaligned_checkpoints()
    assert not env.enable_changelog_state_backend(False).is_changelog_state_backend_enabled()
    with pytest.raises(ArgumentError, match="takes False alone: checkpoints hold the state itself"):
        env.enable_changelog_state_backend(True)
    assert not env.is_chaining_of_operators_with_different_max_parallelism_enabled()
