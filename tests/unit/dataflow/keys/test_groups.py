"""Key groups: each has exactly one owner, and the ranges are what the owners say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import default_max_parallelism, group_range, key_group, subtask_of

MAXIMA = st.one_of(st.integers(1, 300), st.sampled_from([32_768, 32_767, 1_000, 128]))


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int]:
    max_parallelism = draw(MAXIMA)
    return draw(st.integers(1, min(max_parallelism, 400))), max_parallelism


@given(layouts())
def test_the_ranges_partition_the_groups(layout: tuple[int, int]) -> None:
    parallelism, max_parallelism = layout
    ranges = [group_range(index, parallelism, max_parallelism) for index in range(parallelism)]
    assert [group for owned in ranges for group in owned] == list(range(max_parallelism))
    widths = {len(owned) for owned in ranges}
    assert min(widths) >= 1
    assert max(widths) - min(widths) <= 1


@given(layouts(), st.data())
def test_the_range_is_the_inverse_of_the_owner(layout: tuple[int, int], data: st.DataObject) -> None:
    parallelism, max_parallelism = layout
    group = data.draw(st.integers(0, max_parallelism - 1))
    owner = subtask_of(group, parallelism, max_parallelism)
    assert group in group_range(owner, parallelism, max_parallelism)
    for other in {0, owner - 1, owner + 1, parallelism - 1} - {owner, -1, parallelism}:
        assert group not in group_range(other, parallelism, max_parallelism)


@given(st.integers(0, 2**64 - 1), MAXIMA)
def test_every_hash_has_a_group(hash_value: int, max_parallelism: int) -> None:
    assert key_group(hash_value, max_parallelism) == hash_value % max_parallelism


@pytest.mark.parametrize(
    ("parallelism", "expected"),
    [(1, 128), (85, 128), (86, 256), (171, 256), (172, 512), (1_000, 2_048), (21_845, 32_768), (32_768, 32_768)],
)
def test_the_default_is_flinks(parallelism: int, expected: int) -> None:
    assert default_max_parallelism(parallelism) == expected


def test_the_default_always_leaves_room() -> None:
    assert all(default_max_parallelism(p) >= p for p in range(1, 32_769))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="parallelism 0 is not in 1 to 32768"):
        default_max_parallelism(0)
    with pytest.raises(ValueError, match="parallelism 32769 is not in 1 to 32768"):
        default_max_parallelism(32_769)
    with pytest.raises(ValueError, match="max parallelism 0 is not in 1 to 32768"):
        key_group(7, 0)
    with pytest.raises(ValueError, match="key group 128 is not in 0 to 127"):
        subtask_of(128, 4, 128)
    with pytest.raises(ValueError, match="subtask 4 is not in 0 to 3"):
        group_range(4, 4, 128)
    with pytest.raises(ValueError, match="parallelism 0 is less than 1"):
        group_range(0, 0, 128)
    with pytest.raises(
        ValueError, match=r"parallelism 130 exceeds max parallelism 128.*2 subtasks would own no key group"
    ):
        subtask_of(0, 130, 128)
