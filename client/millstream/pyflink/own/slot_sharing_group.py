"""PyFlink's `SlotSharingGroup`: the name of a group of operators with what a slot of theirs should have."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from millstream.datastream.call_site import call_site
from millstream.datastream.slot_sharing import DescribedGroup
from millstream.pyflink.own.memory_size import MemorySize
from millstream_dataflow.not_there import NotThere

_log = logging.getLogger("millstream")


@dataclass(frozen=True)
class SlotSharingGroup(DescribedGroup):
    """Operators of one group share slots, and have them apart from other groups. Only the name has an effect: slots
    take the memory and processor time that they need.
    """

    group_name: str
    cpu_cores: float | None = None
    task_heap_memory: MemorySize | None = None
    task_off_heap_memory: MemorySize | None = None
    managed_memory: MemorySize | None = None
    external_resources: dict[str, float] = field(default_factory=dict[str, float], hash=False)  # a dict has no hash

    get_java_slot_sharing_group = NotThere("no Java runs here; get_name() tells which group it is")

    @staticmethod
    def builder(name: str) -> SlotSharingGroup.Builder:
        """Begins one."""
        return SlotSharingGroup.Builder(name)

    def get_name(self) -> str:
        """The group's name."""
        return self.group_name

    def get_cpu_cores(self) -> float | None:
        """What was asked for; None: nothing was."""
        return self.cpu_cores

    def get_task_heap_memory(self) -> MemorySize | None:
        """What was asked for; None: nothing was."""
        return self.task_heap_memory

    def get_task_off_heap_memory(self) -> MemorySize | None:
        """What was asked for; None: nothing was."""
        return self.task_off_heap_memory

    def get_managed_memory(self) -> MemorySize | None:
        """What was asked for; None: nothing was."""
        return self.managed_memory

    def get_external_resources(self) -> dict[str, float]:
        """What was asked for, by name."""
        return dict(self.external_resources)

    class Builder:
        """Makes one, call by call. Setters return the same object."""

        def __init__(self, name: str) -> None:
            self._group = SlotSharingGroup(name)

        def set_cpu_cores(self, cpu_cores: float) -> SlotSharingGroup.Builder:
            """So much of processors for each slot."""
            self._group = replace(self._group, cpu_cores=cpu_cores)
            return self

        def set_task_heap_memory(self, task_heap_memory: MemorySize) -> SlotSharingGroup.Builder:
            """So much memory for each slot."""
            self._group = replace(self._group, task_heap_memory=task_heap_memory)
            return self

        def set_task_heap_memory_mb(self, task_heap_memory_mb: int) -> SlotSharingGroup.Builder:
            """So many mebibytes of memory for each slot."""
            return self.set_task_heap_memory(MemorySize.of_mebi_bytes(task_heap_memory_mb))

        def set_task_off_heap_memory(self, task_off_heap_memory: MemorySize) -> SlotSharingGroup.Builder:
            """So much memory beside the JVM's heap for each slot."""
            self._group = replace(self._group, task_off_heap_memory=task_off_heap_memory)
            return self

        def set_task_off_heap_memory_mb(self, task_off_heap_memory_mb: int) -> SlotSharingGroup.Builder:
            """So many mebibytes of memory beside the JVM's heap for each slot."""
            return self.set_task_off_heap_memory(MemorySize.of_mebi_bytes(task_off_heap_memory_mb))

        def set_managed_memory(self, managed_memory: MemorySize) -> SlotSharingGroup.Builder:
            """So much of Flink's managed memory for each slot."""
            self._group = replace(self._group, managed_memory=managed_memory)
            return self

        def set_managed_memory_mb(self, managed_memory_mb: int) -> SlotSharingGroup.Builder:
            """So many mebibytes of Flink's managed memory for each slot."""
            return self.set_managed_memory(MemorySize.of_mebi_bytes(managed_memory_mb))

        def set_external_resource(self, name: str, value: float) -> SlotSharingGroup.Builder:
            """So much of something else, such as a GPU, for each slot."""
            resources = {**self._group.external_resources, name: value}
            self._group = replace(self._group, external_resources=resources)
            return self

        def build(self) -> SlotSharingGroup:
            """The group. Where it asks for resources, a warning says that it gets what it needs."""
            if self._group != SlotSharingGroup(self._group.group_name):
                what = f"the resources of slot-sharing group {self._group.group_name!r} have no effect"
                _log.warning("%s: slots take what they need (%s)", what, call_site())
            return self._group
