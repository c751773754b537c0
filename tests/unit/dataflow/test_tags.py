"""Tags of side outputs are their ids."""

from typing import Any

import pytest

from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types


def test_equal_by_id() -> None:
    late = OutputTag("late", Types.LONG())
    other: OutputTag[Any] = OutputTag("late", Types.STRING())
    assert late == other
    assert late != OutputTag("early", Types.LONG())
    assert {late: 1}[OutputTag("late")] == 1


def test_refusals() -> None:
    with pytest.raises(ValueError, match="but got an empty one"):
        OutputTag(" ")
    with pytest.raises(ValueError, match="has a lone surrogate"):
        OutputTag("\ud800")
    with pytest.raises(TypeError, match=r"takes an id, .* None is no str"):
        OutputTag(None)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match=r"takes a type of Types, such as Types.INT\(\), but got <class 'int'>"):
        OutputTag("late", int)  # type: ignore[arg-type]  # what is tested


def test_a_tag_may_be_made_with_its_type() -> None:
    """On Python 3.11 a frozen dataclass with slots refuses to be called subscripted."""
    assert OutputTag[str]("late") == OutputTag("late")
