"""Every refusal has its sentence: what is wrong, where, and what to do."""

from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from millstream.errors import (
    CheckpointingRequiredError,
    CycleError,
    DuplicateUidError,
    EmptyProgramError,
    EndlessInlineError,
    KeyedStreamRequiredError,
    KeyTypeError,
    MissingUidError,
    ParallelismError,
    PartitioningError,
    ProgramError,
    SizeLimitError,
)
from millstream_dataflow.functions import KeySelector
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import KeyedReduceSpecification, KeySelection, MapSpecification
from millstream_dataflow.transformations import OperatorTransformation, PartitionTransformation
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TumblingProcessingTimeWindows
from millstream_runtime.states import JobState
from tests.unit.client.programs import FakeExecutor, Files, Ticker, compiled, environment, flights, numbers

HERE = r"tests/unit/client/test_checks\.py:\d+"


def test_nothing_to_execute() -> None:
    env = environment()
    with pytest.raises(EmptyProgramError, match=r"has made no operator since .*; give a stream a sink"):
        compiled(env)
    numbers(env)
    with pytest.raises(EmptyProgramError, match="nothing reads what the sources give; give a stream a sink"):
        compiled(env)


def test_a_cycle_is_told_as_a_way() -> None:
    env = environment()
    first = numbers(env).map(abs).name("first")
    second = first.map(abs).name("second")
    first._transformation.inputs = (second._transformation,)
    with pytest.raises(CycleError, match=rf"has a cycle: (first|second) \({HERE}\) -> .* -> (first|second) \("):
        compiled(env)


def test_two_operators_with_one_uid() -> None:
    env = environment()
    numbers(env).map(abs).uid("a").filter(bool).name("odd").uid("a")
    expected = rf"""operator Filter "odd" \({HERE}\): its uid 'a' is also that of Map "abs" \({HERE}\); give each"""
    with pytest.raises(DuplicateUidError, match=expected):
        compiled(env)


def test_an_operator_without_a_uid_where_each_must_have_one() -> None:
    env = environment()
    env.get_config().disable_auto_generated_uids()
    assert not env.get_config().has_auto_generated_uids_enabled()
    sink = flights(env).uid("flights").map(str).name("text").uid("text").print()
    with pytest.raises(MissingUidError, match=r"it has no uid, and pipeline\.auto-generate-uids is false; give it one"):
        compiled(env)
    sink.uid("out")
    compiled(env)  # the enumerator of the source has the uid of its reader
    one, other = numbers(env).uid("one"), numbers(env).uid("other")
    windows = one.join(other).where(abs).equal_to(abs).window(TumblingProcessingTimeWindows.of(5))
    windows.apply(pow).uid("joined").print().uid("printed")
    compiled(env)  # what comes before the window of a join can't have one
    env.get_config().enable_auto_generated_uids()
    numbers(env).print()
    compiled(env)


def test_parallelism_above_max_parallelism() -> None:
    env = environment(parallelism_default=4, pipeline_max__parallelism=3)
    flights(env).map(abs)
    expected = r'Source "Source: Flights".*: its parallelism 4 is above its max parallelism 3; lower the one or raise'
    with pytest.raises(ParallelismError, match=expected):
        compiled(env)


def test_parallelism_above_that_of_an_operator() -> None:
    env = environment()
    flights(env).map(abs).set_parallelism(9).set_max_parallelism(8)
    with pytest.raises(ParallelismError, match=r'Map "abs".*: its parallelism 9 is above its max parallelism 8'):
        compiled(env)


def test_an_impossible_parallelism_of_a_program_made_by_hand() -> None:
    env = environment()
    stream = flights(env).map(abs)
    assert isinstance(stream._transformation, OperatorTransformation)
    stream._transformation.parallelism = 40_000
    stream._transformation.max_parallelism = 50_000
    with pytest.raises(ParallelismError, match="parallelism 40000 is not in 1 to 32768; choose one that is"):
        compiled(env)


def test_a_fixed_parallelism_can_not_be_changed_behind_the_back() -> None:
    env = environment()
    stream = numbers(env)
    stream.map(abs)
    assert isinstance(stream._transformation, OperatorTransformation)
    stream._transformation.parallelism = 3
    with pytest.raises(ParallelismError, match="it runs with parallelism 1 alone, not with 3"):
        compiled(env)


def test_a_keyed_operation_on_a_stream_that_lost_its_key() -> None:
    env = environment()
    stream = numbers(env).map(abs)
    specification = KeyedReduceSpecification(max, KeySelection(abs))
    env.program.operators.append(
        OperatorTransformation(99, (stream._transformation,), None, specification, "count", defined_at="job.py:7")
    )
    expected = (
        r'operator Keyed Reduce "count" \(job.py:7\): it works per key, but gets its records from Map "abs" unkeyed; '
        r"call key_by\(...\) directly before it"
    )
    with pytest.raises(KeyedStreamRequiredError, match=expected):
        compiled(env)


@pytest.mark.parametrize("call", ["reduce", "sum", "min", "max", "window"])
def test_a_keyed_operation_on_a_stream_without_keys(call: str) -> None:
    expected = rf"{call} works per key, and this stream has none; write stream.key_by\(...\).{call}\(...\)"
    with pytest.raises(KeyedStreamRequiredError, match=expected):
        getattr(numbers(environment()), call)
    assert not hasattr(numbers(environment()), call)


def test_an_unstable_key_type() -> None:
    env = environment()
    numbers(env).key_by(lambda x: [x], key_type=Types.LIST(Types.INT())).sum()
    expected = rf"\({HERE}\): its key is declared as LIST.*which can't be one: .*list can't be a key.*use a tuple"
    with pytest.raises(KeyTypeError, match=expected):
        compiled(env)


class _Listing(KeySelector[int, list[int]]):
    def get_key(self, value: int) -> list[int]:
        return [value]


def _bare_list(number: int) -> list:  # type: ignore[type-arg]  # that is the point
    return [number]


def _dictionary(number: int) -> dict[str, int]:
    return {"n": number}


def _set(number: int) -> set[int]:
    return {number}


@pytest.mark.parametrize("selector", [_Listing(), _bare_list, _dictionary, _set])
def test_an_unstable_key_type_that_is_annotated(selector: Any) -> None:  # noqa: ANN401  # of any kind
    expected = rf"\({HERE}\): key_by got a selector that is annotated to give \w+, which can't be a key: .*can't be a"
    with pytest.raises(KeyTypeError, match=expected):
        numbers(environment()).key_by(selector)
    numbers(environment()).key_by(selector, Types.INT())
    numbers(environment()).partition_custom(lambda key, number: len(key) % number, selector)


def test_an_annotated_class_whose_values_may_have_a_hash() -> None:
    def any_of(number: int) -> Hashable:
        return number

    def some(number: int) -> AbstractSet[int]:
        return frozenset([number])

    for selector in (any_of, some):
        env = environment()
        numbers(env).key_by(selector).reduce(max)
        compiled(env)


class TestEndlessInline:
    """`execute_async` inline would never return."""

    def test_it_is_refused(self) -> None:
        env = environment(execution_target="inline")
        flights(env, Ticker()).print()
        expected = (
            r'operator Source "Source: Flights" \(.*\): inline, execute_async returns when the job has ended, and this '
            r"source never ends; use execute\(\).*execution.target: embedded or remote"
        )
        with pytest.raises(EndlessInlineError, match=expected):
            env.execute_async()

    def test_whoever_takes_jobs_elsewhere_decides(self) -> None:
        fake = FakeExecutor()
        env = environment(fake, execution_target="inline")
        flights(env, Ticker()).print()
        env.execute_async()
        assert len(fake.graphs) == 1

    def test_a_program_that_ends_is_taken(self) -> None:
        env = environment(execution_target="inline")
        numbers(env).print()
        assert env.execute_async().get_job_status().result() is JobState.FINISHED


def test_forward_between_different_parallelisms() -> None:
    env = environment(parallelism_default=2)
    numbers(env).forward().map(abs)
    expected = (
        rf'operator Map "abs" \({HERE}\): forward passes records on within one subtask, but Source "Source: Coll.*" '
        r"has parallelism 1 and this operator 2; give both the same parallelism, or use rebalance"
    )
    with pytest.raises(PartitioningError, match=expected):
        compiled(env)


def test_custom_partitioning_without_a_partitioner() -> None:
    env = environment()
    origin = numbers(env)._transformation
    partition = PartitionTransformation(97, (origin,), None, Partitioning.CUSTOM)
    env.program.operators.append(OperatorTransformation(98, (partition,), None, MapSpecification(abs), "Map"))
    with pytest.raises(PartitioningError, match="needs a partitioner and a key selector"):
        compiled(env)


def test_an_operator_without_a_source() -> None:
    env = environment()
    env.program.operators.append(OperatorTransformation(98, (), None, MapSpecification(abs), "Map"))
    with pytest.raises(
        ProgramError, match=r'Map "abs": it has no input; take it from a stream that begins at a source'
    ):
        compiled(env)


def test_a_reader_without_its_enumerator() -> None:
    env = environment()
    stream = flights(env)
    stream.map(abs)
    stream._transformation.inputs = ()
    with pytest.raises(ProgramError, match="its source and its enumerator don't belong together; use from_source"):
        compiled(env)


def test_law_5_4_an_unbounded_job_whose_sink_commits_needs_checkpoints() -> None:
    env = environment()
    flights(env, Ticker()).map(str).sink_to(Files())
    expected = (
        rf'operator Sink "Sink: Files" \({HERE}\): it shows its output at each checkpoint, there are none, and '
        r'Source "Source: Flights" \(.*\) never ends; call enable_checkpointing'
    )
    with pytest.raises(CheckpointingRequiredError, match=expected):
        compiled(env)
    env.enable_checkpointing(1000)
    compiled(env)


def test_law_5_4_a_bounded_job_or_another_sink_needs_none() -> None:
    env = environment()
    flights(env).map(str).sink_to(Files())
    compiled(env)
    env = environment()
    flights(env, Ticker()).print()
    compiled(env)


def test_a_job_that_is_too_large() -> None:
    env = environment(jobmanager_submit_max__graph__size="1 mb")
    data = b"x" * (1 << 20)
    numbers(env).map(lambda x: data[x]).name("big")
    expected = r"functions take \d+ bytes, more than the 1048576 that jobmanager.submit.max-graph-size allows; "
    with pytest.raises(
        SizeLimitError, match=expected + r"the largest vertex is Source: Collection -> big with \d+; read"
    ):
        compiled(env)
