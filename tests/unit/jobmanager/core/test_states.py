"""The tables of states, walked (design 3: every transition listed, an illegal one an error)."""

from collections.abc import Iterable
from enum import Enum
from typing import Any

import pytest

from millstream_jobmanager.core.region_states import REGION_STATES, RegionState
from millstream_runtime.states import (
    JOB_STATES,
    TASK_STATES,
    IllegalTransitionError,
    JobState,
    TaskState,
    TransitionTable,
)
from tools.states_docs import PAGE, page

Table = TransitionTable[Any]
TABLES: list[tuple[Table, type[Enum], set[Enum]]] = [
    (JOB_STATES, JobState, {JobState.FINISHED, JobState.CANCELED, JobState.FAILED}),
    (TASK_STATES, TaskState, {TaskState.FINISHED, TaskState.CANCELED, TaskState.FAILED}),
    (REGION_STATES, RegionState, {RegionState.ENDED}),
]
every_table = pytest.mark.parametrize(("table", "states", "final"), TABLES, ids=["job", "task", "region"])


def reached(table: Table, starts: Iterable[Enum]) -> set[Enum]:
    found = set(starts)
    while new := {target for state in found for target in table.targets(state)} - found:
        found |= new
    return found


@every_table
def test_every_state_is_listed_and_reached(table: Table, states: type[Enum], final: set[Enum]) -> None:
    """A job or region begins in its initial state, or under a new leader in RECONCILING (law 3.4)."""
    assert table.states == set(states)
    assert reached(table, {table.initial, states["RECONCILING"]}) == set(states)


@every_table
def test_final_states_lead_nowhere_and_every_state_leads_to_one(
    table: Table, states: type[Enum], final: set[Enum]
) -> None:
    """Design 3."""
    assert {state for state in states if table.is_final(state)} == final
    assert all(reached(table, {state}) & final for state in states)


@every_table
def test_a_step_that_is_not_listed_is_an_error(table: Table, states: type[Enum], final: set[Enum]) -> None:
    """The error carries the case (design 3)."""
    for source in states:
        for target in states:
            if target in table.targets(source):
                table.check("it", source, target, "a test")
            else:
                with pytest.raises(IllegalTransitionError, match=f"from {source.name} to {target.name}.*a test"):
                    table.check("it", source, target, "a test")


def test_the_page_is_fresh() -> None:
    """docs/states.md says what the tables say."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tools/states_docs.py"
