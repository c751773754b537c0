"""The pool of slots: who has which, and where a region's workers fit.

A slot is free, reserved (placed, not yet deployed) or held by a worker. It becomes free only when its TaskManager
says that the worker's process is gone, so two workers never share one; a region takes all the slots it needs or none,
so two regions never wait for each other's halves.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from millstream_dataflow.identity import TaskManagerId, WorkerId

Pair = frozenset[TaskManagerId]


@dataclass(frozen=True, slots=True, order=True)
class SlotRef:
    """One slot of one TaskManager."""

    taskmanager: TaskManagerId
    slot: int


@dataclass(slots=True)
class _Holder:
    slots: list[WorkerId | None] = field(default_factory=list[WorkerId | None])
    accepts: bool = True


class SlotPool:
    """All slots of all registered TaskManagers."""

    def __init__(self) -> None:
        self._holders: dict[TaskManagerId, _Holder] = {}

    def add(
        self, taskmanager: TaskManagerId, slots: int, held: Sequence[tuple[int, WorkerId]], *, accepts: bool = True
    ) -> None:
        """A TaskManager registered, with what occupies its slots; this replaces what was known of it."""
        holder = _Holder([None] * slots, accepts)
        for slot, worker in held:
            if 0 <= slot < slots:
                holder.slots[slot] = worker
        self._holders[taskmanager] = holder

    def remove(self, taskmanager: TaskManagerId) -> None:
        """A TaskManager is gone, and its workers with it."""
        self._holders.pop(taskmanager, None)

    def pause(self, taskmanager: TaskManagerId) -> None:
        """Place nothing there until it registers anew: its stream is closed, or it is leaving."""
        if taskmanager in self._holders:
            self._holders[taskmanager].accepts = False

    def take(self, slot: SlotRef, worker: WorkerId) -> None:
        """Reserve a free slot for a worker."""
        holder = self._holders[slot.taskmanager]
        if holder.slots[slot.slot] is not None:
            raise ValueError(f"slot {slot} is held by {holder.slots[slot.slot]}, so {worker} can't have it")
        holder.slots[slot.slot] = worker

    def release(self, worker: WorkerId) -> None:
        """The worker is gone or was never started; unknown ones are fine."""
        for holder in self._holders.values():
            holder.slots = [None if held == worker else held for held in holder.slots]

    def free(self) -> Iterator[SlotRef]:
        """Slots that a worker could be placed in."""
        for taskmanager, holder in self._holders.items():
            if holder.accepts:
                yield from (SlotRef(taskmanager, slot) for slot, held in enumerate(holder.slots) if held is None)

    def counts(self, taskmanager: TaskManagerId) -> tuple[int, int]:
        """(all slots, free slots) of a TaskManager; (0, 0) when it isn't registered."""
        holder = self._holders.get(taskmanager)
        return (len(holder.slots), holder.slots.count(None)) if holder else (0, 0)

    def place(
        self, needed: int, preferred: Collection[TaskManagerId], avoided: Collection[Pair]
    ) -> list[SlotRef] | None:
        """Slots for a region's workers in the order of their ordinals, or None when there are too few.

        Former places first (their caches are warm); then one TaskManager that can take the whole region (its workers
        talk through Unix sockets), else those with most free slots. Pairs of TaskManagers that lost a connection with
        each other are kept apart if it can be.
        """
        room: dict[TaskManagerId, list[SlotRef]] = {}
        for slot in self.free():
            room.setdefault(slot.taskmanager, []).append(slot)
        if sum(map(len, room.values())) < needed:
            return None
        if needed == 0:
            return []

        def rank(taskmanager: TaskManagerId) -> tuple[bool, bool, int]:
            return taskmanager not in preferred, len(room[taskmanager]) < needed, -len(room[taskmanager])

        order = sorted(room, key=rank)
        return _fill(order, room, needed, avoided) or _fill(order, room, needed, ())


def _fill(
    order: Sequence[TaskManagerId],
    room: dict[TaskManagerId, list[SlotRef]],
    needed: int,
    avoided: Collection[Pair],
) -> list[SlotRef] | None:
    chosen: list[SlotRef] = []
    used: list[TaskManagerId] = []
    for taskmanager in order:
        if any(frozenset((taskmanager, other)) in avoided for other in used):
            continue
        chosen += room[taskmanager][: needed - len(chosen)]
        used.append(taskmanager)
        if len(chosen) == needed:
            return chosen
    return None
