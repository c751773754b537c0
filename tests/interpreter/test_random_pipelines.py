"""Whatever the program, wherever it is stopped: real tasks give what the interpreter says."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine

from millstream_dataflow.configuration.enums import RuntimeExecutionMode
from millstream_taskmanager.operators import chain_snapshot
from tests.interpreter.interpreter import interpret
from tests.interpreter.lives import FATES, Fate, lived
from tests.interpreter.modes import run_inline
from tests.interpreter.pipelines import Pipeline, orderly, prompt
from tests.unit.client.programs import environment

Results = Mapping[str, Sequence[Any]]


SHRINKING = 20  # seconds, so that a failing example is printed within the limit of a test


@pytest.fixture(scope="module", autouse=True)
def small_slices() -> Iterator[None]:
    """So that a snapshot of a few keys takes many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_snapshot, "SLICE_BYTES", 1)
        patch.setattr(engine, "MAX_SHRINKING_SECONDS", SHRINKING)
        yield


def judged(pipeline: Pipeline, *, batch: bool = False) -> Results:
    """What the interpreter says."""
    env = environment()
    pipeline.build(env, 1)
    return interpret(env.program, pipeline.steps(), batch=batch)


def by_key(results: Results, sink: str) -> dict[str, list[int]]:
    """The numbers of each key, in their order."""
    found: dict[str, list[int]] = {}
    for key, number in results.get(sink, ()):
        found.setdefault(key, []).append(number)
    return found


@given(orderly(), FATES)
def test_what_is_late_and_all_results_of_a_key_in_their_order(pipeline: Pipeline, fate: Fate) -> None:
    """One split and punctuated watermarks: the watermark that an operator of keys has at a record is the same at every
    run (law 7.2), and its key's records come by one channel.
    """
    expected, found = judged(pipeline), lived(pipeline, fate)
    note(f"expected {expected}\nfound    {found}")
    for sink in expected:
        if pipeline.ordered:
            assert by_key(found, sink) == by_key(expected, sink)
        else:
            assert Counter(found.get(sink, ())) == Counter(expected[sink])


@given(prompt(), FATES)
def test_what_no_order_can_change(pipeline: Pipeline, fate: Fate) -> None:
    """Nothing is late in any order, and no function looks at the order: so results are the same multisets."""
    expected, found = judged(pipeline), lived(pipeline, fate)
    note(f"expected {expected}\nfound    {found}")
    for sink in expected:
        assert Counter(found.get(sink, ())) == Counter(expected[sink])


def unhurried(pipeline: Pipeline) -> bool:
    """Whether it may run by a real clock."""
    return not pipeline.gives_up


@given(prompt().filter(unhurried), st.integers(1, 3))
def test_both_modes_give_the_same(pipeline: Pipeline, parallelism: int) -> None:
    """All that `prompt` ones have agrees; what is left out there is what can't (docs/batch.md)."""
    expected = judged(pipeline)
    found = run_inline(pipeline, parallelism, RuntimeExecutionMode.BATCH)
    note(f"expected {expected}\nfound    {found}")
    for sink in expected:
        assert Counter(found.get(sink, ())) == Counter(expected[sink])


@given(orderly(clocks=False).filter(unhurried), st.integers(1, 3))
def test_what_only_batch_mode_gives(pipeline: Pipeline, parallelism: int) -> None:
    """Nothing is late, records come in the order of their times, and results are final."""
    expected = judged(pipeline, batch=True)
    found = run_inline(pipeline, parallelism, RuntimeExecutionMode.BATCH)
    note(f"expected {expected}\nfound    {found}")
    for sink in expected:
        assert Counter(found.get(sink, ())) == Counter(expected[sink])
