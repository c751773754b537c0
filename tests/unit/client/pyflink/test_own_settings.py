"""PyFlink's objects that stand for settings set Millstream's keys."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from millstream.errors import ArgumentError, ProgramError
from millstream.pyflink.own.checkpoint_storages import FileSystemCheckpointStorage, JobManagerCheckpointStorage
from millstream.pyflink.own.memory_size import MemorySize
from millstream.pyflink.own.restart_strategies import RestartStrategies
from millstream.pyflink.own.slot_sharing_group import SlotSharingGroup
from millstream.pyflink.own.state_backends import HashMapStateBackend
from millstream_dataflow.configuration.enums import RestartStrategy, StateBackend
from millstream_dataflow.configuration.options import checkpointing, restart
from tests.unit.client.programs import FakeExecutor, environment, numbers
from tests.unit.client.written import operator


def test_restart_strategies_are_keys() -> None:
    env = environment()
    strategy = RestartStrategies.fixed_delay_restart(3, 10_000)
    assert strategy.get_delay_between_attempts_interval() == timedelta(seconds=10)
    get = env.set_restart_strategy(strategy).configuration.get
    assert (get(restart.STRATEGY), get(restart.FIXED_DELAY_ATTEMPTS)) == (RestartStrategy.FIXED_DELAY, 3)
    assert get(restart.FIXED_DELAY_DELAY) == timedelta(seconds=10)
    env.get_config().set_restart_strategy(
        RestartStrategies.failure_rate_restart(2, timedelta(minutes=5), delay_interval=100)
    )
    get = env.configuration.get
    assert (get(restart.STRATEGY), get(restart.FAILURE_RATE_MAX_FAILURES)) == (RestartStrategy.FAILURE_RATE, 2)
    assert get(restart.FAILURE_RATE_INTERVAL) == timedelta(minutes=5)
    assert get(restart.FAILURE_RATE_DELAY) == timedelta(milliseconds=100)
    env.set_restart_strategy(RestartStrategies.no_restart())
    assert env.configuration.get(restart.STRATEGY) is RestartStrategy.NONE
    env.set_restart_strategy(RestartStrategies.fall_back_restart())
    assert env.configuration.get(restart.STRATEGY) is None


def test_restart_strategies_are_values() -> None:
    assert RestartStrategies.fixed_delay_restart(3, 10) == RestartStrategies.fixed_delay_restart(3, 10)
    rate = RestartStrategies.failure_rate_restart(2, 60_000, 100)
    assert (rate.get_max_failure_rate(), rate.get_failure_interval()) == (2, timedelta(minutes=1))
    assert rate.get_description() == "restarts while there are at most 2 in 0:01:00, each after 0:00:00.100000"
    with pytest.raises(ArgumentError, match="takes what RestartStrategies makes, but got 'fixed-delay'"):
        environment().set_restart_strategy("fixed-delay")  # type: ignore[arg-type]  # what is tested


def test_the_state_backend_that_there_is() -> None:
    env = environment().set_state_backend(HashMapStateBackend())
    assert env.configuration.get(checkpointing.STATE_BACKEND) is StateBackend.HASHMAP
    with pytest.raises(ArgumentError, match=r"takes a HashMapStateBackend\(\)"):
        env.set_state_backend("rocksdb")  # type: ignore[arg-type]  # what is tested


def test_checkpoint_storages_are_directories(caplog: pytest.LogCaptureFixture) -> None:
    env = environment(FakeExecutor())
    config = env.get_checkpoint_config()
    config.set_checkpoint_storage(FileSystemCheckpointStorage("/tmp/checkpoints", 4_096, write_buffer_size=1_024))
    assert config.get_checkpoint_storage_dir() == "/tmp/checkpoints"
    assert env.configuration.get(checkpointing.INLINE_THRESHOLD) == 4_096
    numbers(env).print()
    with caplog.at_level(logging.WARNING, "millstream"):
        env.execute()
    assert "write-buffer-size" in caplog.text
    other = environment().get_checkpoint_config().set_checkpoint_storage(JobManagerCheckpointStorage())
    assert other.get_checkpoint_storage_dir() is None
    other.set_checkpoint_storage(JobManagerCheckpointStorage("/tmp/others"))
    assert other.get_checkpoint_storage_dir() == "/tmp/others"


def test_a_greatest_size_that_nobody_would_hold() -> None:
    with pytest.raises(ValueError, match="can't hold state to 1 bytes"):
        JobManagerCheckpointStorage(max_state_size=1)
    assert JobManagerCheckpointStorage().get_max_state_size() == 5 << 20
    storage = FileSystemCheckpointStorage("/tmp/checkpoints")
    assert storage.get_min_file_size_threshold() == checkpointing.INLINE_THRESHOLD.default
    assert storage.get_savepoint_path() is None


def test_slot_sharing_groups_go_by_their_name(caplog: pytest.LogCaptureFixture) -> None:
    plain = SlotSharingGroup.builder("g").build()
    env = environment().register_slot_sharing_group(plain)
    assert operator(numbers(env).map(abs).slot_sharing_group(plain)).slot_sharing_group == "g"
    assert caplog.text == ""


def test_resources_of_a_group_are_told_to_have_no_effect(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "millstream"):
        group = SlotSharingGroup.builder("g").set_cpu_cores(2).set_task_heap_memory_mb(3).build()
    assert (group.get_cpu_cores(), group.get_task_heap_memory()) == (2, MemorySize.of_mebi_bytes(3))
    assert "the resources of slot-sharing group 'g' have no effect: slots take what they need (tests" in caplog.text
    full = SlotSharingGroup.builder("h").set_task_off_heap_memory_mb(1).set_managed_memory_mb(2)
    full.set_external_resource("gpu", 1)
    assert full.build().get_external_resources() == {"gpu": 1}


@pytest.mark.parametrize("name", ["", 5])
def test_groups_have_names(name: Any) -> None:  # noqa: ANN401  # what no type checker would let through
    with pytest.raises(ProgramError, match="slot_sharing_group takes a name"):
        numbers(environment()).map(abs).slot_sharing_group(SlotSharingGroup.builder(name).build())
