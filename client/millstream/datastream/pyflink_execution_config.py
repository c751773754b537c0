"""Calls of ExecutionConfig that are there for programs written for PyFlink. Most mean something to a JVM alone: they
are accepted, a warning says so once a program, and what is asked tells how it is here, whatever was set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from millstream.datastream.arguments import accepted_instance
from millstream.datastream.described_settings import RestartStrategyConfiguration
from millstream.datastream.settings import duration
from millstream_dataflow.configuration.options import execution, taskmanager

if TYPE_CHECKING:
    from millstream.datastream.settings import Settings
    from millstream_dataflow.time import Span

_NO_SERIALIZERS: Final = "records have no Java serializers; those without a declared type are pickled"
_NO_CLOSURES: Final = "functions travel by cloudpickle, which takes what they use"
_NO_MARKERS: Final = "no records are sent to measure latency"
_KILLED: Final = "a task that doesn't end is killed with its worker: set_task_cancellation_timeout says when"
_ONE_WRITER: Final = "checkpoint files have a writer of our own"


class PyFlinkExecutionConfig:
    """See the module. Setters return the same object."""

    PARALLELISM_DEFAULT: Final = -1
    """Flink's number for a parallelism that nobody chose. Here nobody needs it: leave the call out."""
    PARALLELISM_UNKNOWN: Final = -2
    """Flink's number for a parallelism that isn't known."""

    _settings: Settings

    # ------------------------------------------------------------------------------------------- what has an effect

    def get_task_cancellation_timeout(self) -> int:
        """Milliseconds that a task may take to end when the job is cancelled; 0: as long as it takes."""
        return self._settings.get_milliseconds(taskmanager.CANCELLATION_TIMEOUT)

    def set_task_cancellation_timeout(self, timeout: Span) -> Self:
        """Kill the worker of a task that takes longer to end when the job is cancelled; 0 waits for ever."""
        self._settings.set(taskmanager.CANCELLATION_TIMEOUT, duration(timeout))
        return self

    def enable_auto_generated_uids(self) -> Self:
        """Let operators without a uid be found by their place in the program. The default."""
        self._settings.set(execution.AUTO_GENERATE_UIDS, value=True)
        return self

    def disable_auto_generated_uids(self) -> Self:
        """Refuse the program when one of its operators has no uid (MissingUidError, at `execute`)."""
        self._settings.set(execution.AUTO_GENERATE_UIDS, value=False)
        return self

    def has_auto_generated_uids_enabled(self) -> bool:
        """Whether operators may have no uid."""
        return self._settings.get(execution.AUTO_GENERATE_UIDS)

    def set_restart_strategy(self, restart_strategy_configuration: RestartStrategyConfiguration) -> Self:
        """PyFlink 1's way to set the keys `restart-strategy.*`, as the environment's of that name."""
        wanted = "what RestartStrategies makes"
        accepted_instance("set_restart_strategy", restart_strategy_configuration, RestartStrategyConfiguration, wanted)
        self._settings.set_all(restart_strategy_configuration.as_settings())
        return self

    # ------------------------------------------------------------------------------------- what a JVM alone needs

    def get_task_cancellation_interval(self) -> int:
        """0: a task is told once that it is cancelled."""
        return 0

    def set_task_cancellation_interval(self, interval: Span) -> Self:
        """Nothing changes: a task is told once that it is cancelled."""
        return self._without_effect("set_task_cancellation_interval", _KILLED)

    def enable_closure_cleaner(self) -> Self:
        """Nothing changes: functions travel by cloudpickle."""
        return self._without_effect("enable_closure_cleaner", _NO_CLOSURES)

    def disable_closure_cleaner(self) -> Self:
        """Nothing changes: functions travel by cloudpickle."""
        return self._without_effect("disable_closure_cleaner", _NO_CLOSURES)

    def is_closure_cleaner_enabled(self) -> bool:
        """False."""
        return False

    def enable_force_kryo(self) -> Self:
        """Nothing changes: there is no Kryo."""
        return self._without_effect("enable_force_kryo", _NO_SERIALIZERS)

    def disable_force_kryo(self) -> Self:
        """Nothing changes: there is no Kryo."""
        return self._without_effect("disable_force_kryo", _NO_SERIALIZERS)

    def is_force_kryo_enabled(self) -> bool:
        """False."""
        return False

    def enable_force_avro(self) -> Self:
        """Nothing changes: records don't travel as Avro."""
        return self._without_effect("enable_force_avro", _NO_SERIALIZERS)

    def disable_force_avro(self) -> Self:
        """Nothing changes: records don't travel as Avro."""
        return self._without_effect("disable_force_avro", _NO_SERIALIZERS)

    def is_force_avro_enabled(self) -> bool:
        """False."""
        return False

    def enable_generic_types(self) -> Self:
        """Nothing changes: records without a declared type are pickled, as in PyFlink."""
        return self._without_effect("enable_generic_types", _NO_SERIALIZERS)

    def disable_generic_types(self) -> Self:
        """Nothing changes: records without a declared type are pickled, as in PyFlink."""
        return self._without_effect("disable_generic_types", _NO_SERIALIZERS)

    def has_generic_types_disabled(self) -> bool:
        """False."""
        return False

    def add_default_kryo_serializer(self, type_class_name: str, serializer_class_name: str) -> Self:
        """Nothing changes: there is no Kryo."""
        return self._without_effect("add_default_kryo_serializer", _NO_SERIALIZERS)

    def get_default_kryo_serializer_classes(self) -> dict[str, str]:
        """None: there is no Kryo."""
        return {}

    def get_registered_kryo_types(self) -> list[str]:
        """None: there is no Kryo."""
        return []

    def get_registered_pojo_types(self) -> list[str]:
        """None: there are no Java classes."""
        return []

    def get_latency_tracking_interval(self) -> int:
        """0: no records are sent to measure latency."""
        return 0

    def set_latency_tracking_interval(self, interval: Span) -> Self:
        """Nothing changes: no records are sent to measure latency."""
        return self._without_effect("set_latency_tracking_interval", _NO_MARKERS)

    def is_use_snapshot_compression(self) -> bool:
        """False."""
        return False

    def set_use_snapshot_compression(self, use_snapshot_compression: bool) -> Self:  # noqa: FBT001  # PyFlink's signature
        """Nothing changes: checkpoint files have a writer of our own."""
        return self._without_effect("set_use_snapshot_compression", _ONE_WRITER)

    def _without_effect(self, call: str, reason: str) -> Self:
        self._settings.has_no_effect(call, reason)
        return self
