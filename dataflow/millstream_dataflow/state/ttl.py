"""How long state is kept that nobody uses (Flink, "State Time-To-Live").

Each entry of a state has a time of its own: each value, each element of a list, each entry of a map. It is the clock's
(processing time) when the entry was written, or read as well. One that has got too old isn't shown any more, and is
dropped when it is come across, by an access or by the clean-up in the background.

A state may get a time to live between a savepoint and its restore, or lose it, or have another one. What was stored
without times counts as written at the restore. (Flink refuses to switch it on or off.)
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar, Final, TypeVar, cast

from millstream_dataflow.time.quantities import Span, to_milliseconds

EnumT = TypeVar("EnumT", bound=Enum)

CLEANUP_SIZE: Final = 5
"""Entries that are looked at with each access, where nothing is said (Flink's default for the hashmap backend)."""


@dataclass(frozen=True, slots=True)
class StateTtlConfig:
    """The time to live of a state: `ValueStateDescriptor("seen", bool).enable_time_to_live(StateTtlConfig(ttl))`.

    The parameters behind the first have Flink's defaults; `new_builder` makes the same step by step, as in Flink.
    ValueError for a time that isn't above 0, TypeError for what is no span of time.
    """

    class UpdateType(Enum):
        """What renews an entry's time. `Disabled`: there is no time to live."""

        Disabled = 0
        OnCreateAndWrite = 1
        OnReadAndWrite = 2

    class StateVisibility(Enum):
        """Whether an entry that is too old may be shown as long as it is there."""

        ReturnExpiredIfNotCleanedUp = 0
        NeverReturnExpired = 1

    class TtlTimeCharacteristic(Enum):
        """Which time counts: there is but one, as in Flink."""

        ProcessingTime = 0

    @dataclass(frozen=True, slots=True)
    class CleanupStrategies:
        """What drops entries, beside the accesses to them."""

        class Strategies(Enum):
            """Their names."""

            FULL_STATE_SCAN_SNAPSHOT = 0
            INCREMENTAL_CLEANUP = 1
            ROCKSDB_COMPACTION_FILTER = 2

        class CleanupStrategy:
            """Base of all."""

            __slots__ = ()

        @dataclass(frozen=True, slots=True)
        class EmptyCleanupStrategy(CleanupStrategy):
            """One that has no settings: snapshots leave out what is too old."""

        EMPTY_STRATEGY: ClassVar[EmptyCleanupStrategy] = EmptyCleanupStrategy()

        @dataclass(frozen=True, slots=True)
        class IncrementalCleanupStrategy(CleanupStrategy):
            """So many entries more are looked at with each access, and with each record if that is asked for."""

            cleanup_size: int
            every_record: bool = False

            def get_cleanup_size(self) -> int:
                """How many entries."""
                return self.cleanup_size

            def run_cleanup_for_every_record(self) -> bool:
                """Whether each record counts as an access, whatever its function does."""
                return self.every_record

        @dataclass(frozen=True, slots=True)
        class RocksdbCompactFilterCleanupStrategy(CleanupStrategy):
            """Accepted, and without effect: state lies in memory, where nothing is compacted."""

            query_time_after_num_entries: int
            periodic_compaction_time: Span | None = None

            def get_query_time_after_num_entries(self) -> int:
                """How often RocksDB would ask for the time."""
                return self.query_time_after_num_entries

            def get_periodic_compaction_time(self) -> Span | None:
                """How often RocksDB would compact; None: as it likes."""
                return self.periodic_compaction_time

        full_snapshot: bool = False
        incremental: IncrementalCleanupStrategy | None = None
        rocksdb: RocksdbCompactFilterCleanupStrategy | None = None
        background: bool = True

        def is_cleanup_in_background(self) -> bool:
            """Whether entries are looked at also where no strategy was named."""
            return self.background

        def in_full_snapshot(self) -> bool:
            """Whether snapshots leave out what is too old. It stays in memory all the same."""
            return self.full_snapshot

        def get_incremental_cleanup_strategy(
            self,
        ) -> "StateTtlConfig.CleanupStrategies.IncrementalCleanupStrategy | None":
            """How many entries are looked at, and when; None: those alone that are asked for."""
            if self.incremental is not None or not self.background:
                return self.incremental
            return StateTtlConfig.CleanupStrategies.IncrementalCleanupStrategy(CLEANUP_SIZE)

        def get_rocksdb_compact_filter_cleanup_strategy(
            self,
        ) -> "StateTtlConfig.CleanupStrategies.RocksdbCompactFilterCleanupStrategy | None":
            """What RocksDB was told."""
            return self.rocksdb

    ttl: Span
    """How long; an int is milliseconds."""
    update_type: UpdateType = UpdateType.OnCreateAndWrite
    state_visibility: StateVisibility = StateVisibility.NeverReturnExpired
    ttl_time_characteristic: TtlTimeCharacteristic = TtlTimeCharacteristic.ProcessingTime
    cleanup_strategies: CleanupStrategies = CleanupStrategies()  # frozen, so one may be shared

    def __post_init__(self) -> None:
        if (milliseconds := to_milliseconds(self.ttl)) <= 0:
            raise ValueError(
                f"a time to live is above 0, but got {milliseconds} ms; leave it out to keep state for ever"
            )

    @staticmethod
    def new_builder(ttl: Span) -> "StateTtlConfig.Builder":
        """Flink's way of making one."""
        return StateTtlConfig.Builder(ttl)

    def get_update_type(self) -> UpdateType:
        """What renews an entry's time."""
        return self.update_type

    def get_state_visibility(self) -> StateVisibility:
        """Whether what is too old may be shown."""
        return self.state_visibility

    def get_ttl(self) -> Span:
        """How long, as it was given."""
        return self.ttl

    def get_ttl_time_characteristic(self) -> TtlTimeCharacteristic:
        """Which time counts."""
        return self.ttl_time_characteristic

    def is_enabled(self) -> bool:
        """Whether anything ever gets too old."""
        return self.update_type is not StateTtlConfig.UpdateType.Disabled

    def get_cleanup_strategies(self) -> CleanupStrategies:
        """What drops entries, beside the accesses to them."""
        return self.cleanup_strategies

    class Builder:
        """Makes one step by step; each step gives the builder."""

        def __init__(self, ttl: Span) -> None:
            """All else has Flink's defaults."""
            self._made = StateTtlConfig(ttl)

        def set_update_type(self, update_type: "StateTtlConfig.UpdateType") -> "StateTtlConfig.Builder":
            """What renews an entry's time."""
            self._made = replace(self._made, update_type=_member(update_type, StateTtlConfig.UpdateType))
            return self

        def update_ttl_on_create_and_write(self) -> "StateTtlConfig.Builder":
            """Who writes an entry renews its time."""
            return self.set_update_type(StateTtlConfig.UpdateType.OnCreateAndWrite)

        def update_ttl_on_read_and_write(self) -> "StateTtlConfig.Builder":
            """Who reads an entry renews its time as well."""
            return self.set_update_type(StateTtlConfig.UpdateType.OnReadAndWrite)

        def set_state_visibility(self, state_visibility: "StateTtlConfig.StateVisibility") -> "StateTtlConfig.Builder":
            """Whether what is too old may be shown."""
            visibility = _member(state_visibility, StateTtlConfig.StateVisibility)
            self._made = replace(self._made, state_visibility=visibility)
            return self

        def return_expired_if_not_cleaned_up(self) -> "StateTtlConfig.Builder":
            """What is too old is shown as long as it is there: once more at the most, for that drops it."""
            return self.set_state_visibility(StateTtlConfig.StateVisibility.ReturnExpiredIfNotCleanedUp)

        def never_return_expired(self) -> "StateTtlConfig.Builder":
            """What is too old is never shown."""
            return self.set_state_visibility(StateTtlConfig.StateVisibility.NeverReturnExpired)

        def set_ttl_time_characteristic(
            self, ttl_time_characteristic: "StateTtlConfig.TtlTimeCharacteristic"
        ) -> "StateTtlConfig.Builder":
            """Which time counts."""
            characteristic = _member(ttl_time_characteristic, StateTtlConfig.TtlTimeCharacteristic)
            self._made = replace(self._made, ttl_time_characteristic=characteristic)
            return self

        def use_processing_time(self) -> "StateTtlConfig.Builder":
            """The clock's time counts."""
            return self.set_ttl_time_characteristic(StateTtlConfig.TtlTimeCharacteristic.ProcessingTime)

        def cleanup_full_snapshot(self) -> "StateTtlConfig.Builder":
            """Snapshots leave out what is too old. Here all of them do, since each holds the whole state."""
            return self._clean(full_snapshot=True)

        def cleanup_incrementally(
            self,
            cleanup_size: int,
            run_cleanup_for_every_record: bool,  # noqa: FBT001  # PyFlink's signature
        ) -> "StateTtlConfig.Builder":
            """So many entries are looked at with each access to the state, or with each record as well."""
            if not isinstance(cast("object", cleanup_size), int) or cleanup_size <= 0:
                raise ValueError(f"cleanup_incrementally takes a number of entries above 0, but got {cleanup_size!r}")
            kind = StateTtlConfig.CleanupStrategies.IncrementalCleanupStrategy
            return self._clean(incremental=kind(cleanup_size, bool(run_cleanup_for_every_record)))

        def cleanup_in_rocksdb_compact_filter(
            self, query_time_after_num_entries: int = 1_000, periodic_compaction_time: Span | None = None
        ) -> "StateTtlConfig.Builder":
            """Accepted, and without effect."""
            kind = StateTtlConfig.CleanupStrategies.RocksdbCompactFilterCleanupStrategy
            return self._clean(rocksdb=kind(query_time_after_num_entries, periodic_compaction_time))

        def disable_cleanup_in_background(self) -> "StateTtlConfig.Builder":
            """Look at those entries alone that are asked for, unless a strategy was named."""
            return self._clean(background=False)

        def set_ttl(self, ttl: Span) -> "StateTtlConfig.Builder":
            """How long."""
            self._made = replace(self._made, ttl=ttl)
            return self

        def build(self) -> "StateTtlConfig":
            """The config."""
            return self._made

        def _clean(self, **parts: object) -> "StateTtlConfig.Builder":
            strategies = replace(self._made.cleanup_strategies, **parts)  # type: ignore[arg-type]  # fields by name
            self._made = replace(self._made, cleanup_strategies=strategies)
            return self


def _member(value: EnumT, kind: type[EnumT]) -> EnumT:
    if not isinstance(cast("object", value), kind):
        raise TypeError(f"a time to live takes a member of StateTtlConfig.{kind.__name__}, but got {value!r}")
    return value
