"""Key groups: the unit in which keyed state is dealt out to subtasks (protocols.md 11).

A job's maximal parallelism is the number of its key groups, and is fixed at its first start. A key belongs to one
group for ever; each subtask owns a contiguous range of groups, and a rescale moves whole ranges. The arithmetic is
Flink's (`KeyGroupRangeAssignment`), with our hash in front.
"""

from typing import NewType

from millstream_dataflow.words import counted

MAX_PARALLELISM_LIMIT = 32_768  # Flink's bound (2^15): a group fits 16 bits, in checkpoints and in batches
_SMALLEST_DEFAULT = 128  # Flink's floor: a job that starts on one slot can still grow to 128

KeyGroup = NewType("KeyGroup", int)


def default_max_parallelism(parallelism: int) -> int:
    """The number of key groups of a job that names none: room to grow by half, as a power of two in 128 to 32768.

    The half is rounded down before the sum is rounded up to a power of two, as in Flink: 171 gives 256.
    """
    if not 1 <= parallelism <= MAX_PARALLELISM_LIMIT:
        raise ValueError(f"parallelism {parallelism} is not in 1 to {MAX_PARALLELISM_LIMIT}; choose one that is")
    wished = parallelism + parallelism // 2
    return min(max(1 << (wished - 1).bit_length(), _SMALLEST_DEFAULT), MAX_PARALLELISM_LIMIT)


def key_group(hash_value: int, max_parallelism: int) -> KeyGroup:
    """The group of a key with this hash."""
    check_max_parallelism(max_parallelism)
    return KeyGroup(hash_value % max_parallelism)


def subtask_of(group: int, parallelism: int, max_parallelism: int) -> int:
    """The index of the subtask that owns a group."""
    check_parallelism(parallelism, max_parallelism)
    if not 0 <= group < max_parallelism:
        raise ValueError(f"key group {group} is not in 0 to {max_parallelism - 1}, the groups of this job")
    return group * parallelism // max_parallelism


def group_range(index: int, parallelism: int, max_parallelism: int) -> range:
    """The groups that subtask `index` owns: exactly those that `subtask_of` gives it, never none."""
    check_parallelism(parallelism, max_parallelism)
    if not 0 <= index < parallelism:
        raise ValueError(f"subtask {index} is not in 0 to {parallelism - 1}, the subtasks of this operator")
    return range(
        _first_group(index, parallelism, max_parallelism), _first_group(index + 1, parallelism, max_parallelism)
    )


def _first_group(index: int, parallelism: int, max_parallelism: int) -> int:
    return -(-index * max_parallelism // parallelism)


def check_max_parallelism(max_parallelism: int) -> None:
    """Refuse a number of key groups that no job can have."""
    if not 1 <= max_parallelism <= MAX_PARALLELISM_LIMIT:
        raise ValueError(
            f"max parallelism {max_parallelism} is not in 1 to {MAX_PARALLELISM_LIMIT}; choose one that is"
        )


def check_parallelism(parallelism: int, max_parallelism: int) -> None:
    """Refuse a parallelism for which there are not enough key groups, or which is none."""
    check_max_parallelism(max_parallelism)
    if parallelism < 1:
        raise ValueError(f"parallelism {parallelism} is less than 1; an operator has at least one subtask")
    if parallelism > max_parallelism:
        raise ValueError(
            f"parallelism {parallelism} exceeds max parallelism {max_parallelism}, which is fixed at the first "
            f"start of a job: {counted(parallelism - max_parallelism, 'subtask')} would own no key group; lower the "
            "parallelism"
        )
