"""Calls of the environment that are there for programs written for PyFlink: those that PyFlink 1 had, other names of
what Millstream calls otherwise, and those that mean something to a JVM alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from millstream.datastream.arguments import accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.checkpoint_config import CheckpointConfig
from millstream.datastream.described_settings import RestartStrategyConfiguration, StateBackend
from millstream.datastream.slot_sharing import DescribedGroup
from millstream.errors import ArgumentError
from millstream_dataflow.configuration.enums import CheckpointingMode

if TYPE_CHECKING:
    from millstream.datastream.settings import Settings

_NO_JARS: Final = "no Java runs here, and connectors are Python: from_source(source), sink_to(sink)"


class PyFlinkEnvironment:
    """See the module."""

    _settings: Settings

    # ------------------------------------------------------------------------------------------- what has an effect

    def set_restart_strategy(self, restart_strategy_configuration: RestartStrategyConfiguration) -> Self:
        """PyFlink 1's way to set the keys `restart-strategy.*`: `RestartStrategies.fixed_delay_restart(3, 10_000)`."""
        wanted = "what RestartStrategies makes"
        accepted_instance("set_restart_strategy", restart_strategy_configuration, RestartStrategyConfiguration, wanted)
        self._settings.set_all(restart_strategy_configuration.as_settings())
        return self

    def set_state_backend(self, state_backend: StateBackend) -> Self:
        """PyFlink 1's way to say where keyed state lies: `HashMapStateBackend()`, the only one."""
        accepted_instance("set_state_backend", state_backend, StateBackend, "a HashMapStateBackend()")
        self._settings.set_all(state_backend.as_settings())
        return self

    def get_checkpointing_consistency_mode(self) -> CheckpointingMode:
        """EXACTLY_ONCE unless it was set."""
        return CheckpointConfig(self._settings).get_checkpointing_mode()

    def is_unaligned_checkpoints_enabled(self) -> bool:
        """Whether barriers may overtake records. True unless it was disabled, unlike Flink."""
        return CheckpointConfig(self._settings).is_unaligned_checkpoints_enabled()

    def is_force_unaligned_checkpoints(self) -> bool:
        """False: it is about streams that feed themselves, and there are none."""
        return False

    def is_chaining_of_operators_with_different_max_parallelism_enabled(self) -> bool:
        """False: only operators of one maximal parallelism run in one task."""
        return False

    def enable_changelog_state_backend(self, enabled: bool) -> Self:  # noqa: FBT001  # PyFlink's signature
        """Nothing changes for False. ArgumentError for True: checkpoints hold the state itself."""
        if enabled:
            what = (
                "enable_changelog_state_backend takes False alone: checkpoints hold the state itself, and no changelog"
            )
            raise ArgumentError(what, "leave it out", defined_at=call_site())
        return self

    def is_changelog_state_backend_enabled(self) -> bool:
        """False: checkpoints hold the state itself."""
        return False

    def register_slot_sharing_group(self, slot_sharing_group: DescribedGroup) -> Self:
        """A group needs no registration: its operators name it. Resources that it asks for have no effect."""
        accepted_instance("register_slot_sharing_group", slot_sharing_group, DescribedGroup, "a SlotSharingGroup")
        return self

    # ------------------------------------------------------------------------------------- what a JVM alone needs

    def add_jars(self, *jars_path: str) -> None:
        """Nothing changes: no Java runs here. A warning says so, once a program."""
        self._settings.has_no_effect("add_jars", _NO_JARS)

    def add_classpaths(self, *classpaths: str) -> None:
        """Nothing changes: no Java runs here. A warning says so, once a program."""
        self._settings.has_no_effect("add_classpaths", _NO_JARS)

    def set_python_executable(self, python_exec: str) -> None:
        """Nothing changes: workers run the Python of their TaskManager. A warning says so, once a program."""
        reason = "workers run the Python of their TaskManager; start that with another"
        self._settings.has_no_effect("set_python_executable", reason)

    def add_default_kryo_serializer(self, type_class_name: str, serializer_class_name: str) -> None:
        """Nothing changes: records without a type are pickled. A warning says so, once a program."""
        self._settings.has_no_effect("add_default_kryo_serializer", "records have no Java serializers")

    def register_type_with_kryo_serializer(self, type_class_name: str, serializer_class_name: str) -> None:
        """Nothing changes: records without a type are pickled. A warning says so, once a program."""
        self._settings.has_no_effect("register_type_with_kryo_serializer", "records have no Java serializers")

    def register_type(self, type_class_name: str) -> None:
        """Nothing changes: records without a type are pickled. A warning says so, once a program."""
        self._settings.has_no_effect("register_type", "records have no Java serializers")
