"""How long state is kept, as Flink's builder and Python say it."""

from datetime import timedelta
from typing import Any

import pytest

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.state import ListStateDescriptor, StateTtlConfig, ValueStateDescriptor
from millstream_dataflow.time import Duration, Time

Update, Visibility = StateTtlConfig.UpdateType, StateTtlConfig.StateVisibility


def test_both_ways_make_the_same() -> None:
    built = (
        StateTtlConfig.new_builder(Time.seconds(5))
        .update_ttl_on_read_and_write()
        .return_expired_if_not_cleaned_up()
        .use_processing_time()
        .build()
    )
    assert built == StateTtlConfig(Time.seconds(5), Update.OnReadAndWrite, Visibility.ReturnExpiredIfNotCleanedUp)
    assert (built.get_ttl(), built.get_update_type()) == (Time.seconds(5), Update.OnReadAndWrite)
    assert built.get_state_visibility() is Visibility.ReturnExpiredIfNotCleanedUp
    assert built.get_ttl_time_characteristic() is StateTtlConfig.TtlTimeCharacteristic.ProcessingTime


def test_the_defaults_are_flinks() -> None:
    config = StateTtlConfig(timedelta(hours=1))
    assert config == StateTtlConfig.new_builder(timedelta(hours=1)).build()
    assert (config.get_update_type(), config.get_state_visibility()) == (
        Update.OnCreateAndWrite,
        Visibility.NeverReturnExpired,
    )
    cleanup = config.get_cleanup_strategies()
    incremental = cleanup.get_incremental_cleanup_strategy()
    assert incremental is not None
    assert (incremental.get_cleanup_size(), incremental.run_cleanup_for_every_record()) == (5, False)
    assert (cleanup.is_cleanup_in_background(), cleanup.in_full_snapshot()) == (True, False)
    assert cleanup.get_rocksdb_compact_filter_cleanup_strategy() is None


def test_strategies() -> None:
    builder = StateTtlConfig.new_builder(Duration.of_days(1)).disable_cleanup_in_background()
    assert builder.build().get_cleanup_strategies().get_incremental_cleanup_strategy() is None
    config = (
        builder.cleanup_full_snapshot()
        .cleanup_incrementally(10, True)
        .cleanup_in_rocksdb_compact_filter(2_000, Duration.of_days(3))
        .set_ttl(7)
        .build()
    )
    cleanup = config.get_cleanup_strategies()
    incremental, rocksdb = (
        cleanup.get_incremental_cleanup_strategy(),
        cleanup.get_rocksdb_compact_filter_cleanup_strategy(),
    )
    assert incremental is not None
    assert rocksdb is not None
    assert (incremental.get_cleanup_size(), incremental.run_cleanup_for_every_record()) == (10, True)
    assert (rocksdb.get_query_time_after_num_entries(), rocksdb.get_periodic_compaction_time()) == (
        2_000,
        Duration.of_days(3),
    )
    assert (cleanup.in_full_snapshot(), cleanup.is_cleanup_in_background(), config.ttl) == (True, False, 7)


def test_a_descriptor_takes_one() -> None:
    config = StateTtlConfig(5)
    descriptor = ValueStateDescriptor("n", int).enable_time_to_live(config)
    assert descriptor.ttl == config
    assert ListStateDescriptor("n").ttl is None
    disabled = StateTtlConfig.new_builder(5).set_update_type(Update.Disabled).build()
    assert not disabled.is_enabled()
    assert descriptor.enable_time_to_live(disabled).ttl is None


@pytest.mark.parametrize("span", [0, -1, timedelta(0)])
def test_a_time_above_0(span: Any) -> None:  # noqa: ANN401  # a span of any kind
    with pytest.raises(ValueError, match="a time to live is above 0"):
        StateTtlConfig(span)


def test_mistakes_are_told() -> None:
    builder: Any = StateTtlConfig.new_builder(5)
    with pytest.raises(TypeError, match=r"takes a member of StateTtlConfig.UpdateType, but got 'read'"):
        builder.set_update_type("read")
    with pytest.raises(ValueError, match="takes a number of entries above 0, but got 0"):
        builder.cleanup_incrementally(0, False)
    descriptor: Any = ValueStateDescriptor("n")
    with pytest.raises(InvalidTypesError, match=r"takes a StateTtlConfig, but got 5; write StateTtlConfig\(timedelta"):
        descriptor.enable_time_to_live(5)


def test_a_descriptor_that_is_taken_for_a_state_says_where_that_is() -> None:
    descriptor: Any = ValueStateDescriptor("n")
    with pytest.raises(AttributeError, match=r"a descriptor only says the name of a state; take what runtime_context"):
        descriptor.update(5)
    with pytest.raises(AttributeError, match=r"has no attribute 'other'$"):
        _ = descriptor.other
