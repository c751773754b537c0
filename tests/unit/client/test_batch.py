"""What the compiler makes of a program in batch mode."""

import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest

from millstream import RuntimeExecutionMode, StreamExecutionEnvironment, WatermarkStrategy
from millstream.compiler.job_graph import CompiledJob
from millstream.errors import RuntimeModeError
from millstream_dataflow.job_graph import Exchange, Partitioning, Vertex
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.operators.grouped import FinalReduceSpecification, GroupedSpecification
from millstream_dataflow.operators.specifications import OperatorSpecification, ReaderSpecification
from millstream_dataflow.plan import Plan
from millstream_dataflow.time import NoWatermarks
from tests.unit.client.programs import Directory, Ticker, compiled, environment, numbers

HERE = r"tests/unit/client/test_batch\.py:\d+"
BATCH = RuntimeExecutionMode.BATCH


def batch_environment(mode: RuntimeExecutionMode = BATCH, **settings: object) -> StreamExecutionEnvironment:
    return environment(**settings).set_runtime_mode(mode)


def counted(env: StreamExecutionEnvironment) -> CompiledJob:
    numbers(env).map(abs).key_by(lambda value: value % 3).reduce(lambda one, other: one + other).print()
    return compiled(env)


def form_of(job: CompiledJob, kind: str) -> OperatorSpecification:
    for vertex in job.graph.vertices:
        chain: ChainSpecification = pickle.loads(job.blobs[vertex.functions.digest])  # our own
        for operator, node in zip(vertex.operators, chain.nodes, strict=True):
            if operator.kind == kind:
                return node.specification
    raise AssertionError(kind)


def exchanges(job: CompiledJob) -> set[tuple[Partitioning, Exchange]]:
    return {(edge.partitioning, edge.exchange) for edge in job.graph.edges}


def test_operators_get_their_batch_form_and_keep_their_ids_and_names() -> None:
    streaming, batch = counted(environment()), counted(batch_environment())
    form = form_of(batch, "keyed_reduce")
    assert isinstance(form, GroupedSpecification)
    assert isinstance(form.inner, FinalReduceSpecification)
    for one, other in zip(streaming.graph.vertices, batch.graph.vertices, strict=True):
        assert (one.id, one.name, one.operators) == (other.id, other.name, other.operators)
    assert batch.graph.configuration["execution.runtime-mode"] == "BATCH"


def test_sources_say_nothing_of_event_time() -> None:
    env = batch_environment()
    strategy: WatermarkStrategy[int] = WatermarkStrategy.for_monotonous_timestamps()
    numbers(env).assign_timestamps_and_watermarks(strategy.with_timestamp_assigner(lambda value: value)).print()
    job = compiled(env)
    reader = form_of(job, "reader")
    assert isinstance(reader, ReaderSpecification)
    assert reader.strategy.generator is NoWatermarks
    assigned: Any = form_of(job, "timestamps")
    assert assigned.strategy.generator is NoWatermarks
    assert assigned.strategy.timestamp_assigner is not None


def test_sources_wait_for_nobody() -> None:
    """Where they would in streaming mode: a group's slowest may stand in a stage that hasn't begun."""

    def program(env: StreamExecutionEnvironment) -> CompiledJob:
        strategy: WatermarkStrategy[int] = WatermarkStrategy.for_monotonous_timestamps()
        strategy = strategy.with_watermark_alignment("group", timedelta(seconds=1)).with_idleness(timedelta(seconds=1))
        env.from_source(Directory(), strategy, "files").print()
        return compiled(env)

    streaming, batch = program(environment()), program(batch_environment())
    assert any(vertex.alignment for vertex in streaming.graph.vertices)
    assert not any(vertex.alignment for vertex in batch.graph.vertices)
    reader = form_of(batch, "reader")
    assert isinstance(reader, ReaderSpecification)
    assert (reader.strategy.alignment, reader.strategy.idle_timeout) == (None, None)


def test_records_go_through_files_unless_the_exchange_is_pipelined() -> None:
    assert exchanges(counted(batch_environment())) == {(Partitioning.HASH, Exchange.BLOCKING)}
    pipelined = counted(batch_environment(execution_batch__shuffle__mode="ALL_EXCHANGES_PIPELINED"))
    assert exchanges(pipelined) == {(Partitioning.HASH, Exchange.PIPELINED)}
    assert isinstance(form_of(pipelined, "keyed_reduce"), GroupedSpecification)
    assert exchanges(counted(environment())) == {(Partitioning.HASH, Exchange.PIPELINED)}


def test_splits_flow_and_forward_edges_block() -> None:
    """What runs at one time would wait for itself: the union reads from the map and from what is made of it."""
    env = batch_environment(parallelism_default=2)
    mapped = env.from_sequence(1, 9).map(abs)
    mapped.union(mapped.key_by(lambda value: value).reduce(max)).map(str).print()
    job = compiled(env)
    assert exchanges(job) == {(Partitioning.HASH, Exchange.BLOCKING), (Partitioning.FORWARD, Exchange.BLOCKING)}
    assert Plan(job.graph).slots_needed() == 2


@pytest.mark.parametrize("mode", [RuntimeExecutionMode.AUTOMATIC, BATCH])
def test_a_sink_among_other_readers_has_a_vertex_of_its_own(mode: RuntimeExecutionMode) -> None:
    """So that it stands in the last stage; one that is alone stays in its chain."""
    env = batch_environment(mode)
    mapped = numbers(env).map(abs)
    mapped.print()
    mapped.key_by(lambda value: value).reduce(max).print()
    job = compiled(env)
    assert [vertex.name.count("Sink") for vertex in job.graph.vertices] == [0, 1, 1]
    plan = Plan(job.graph)
    first, *last = job.graph.vertices
    assert len({plan.stage_of[vertex.id] for vertex in last}) == 1
    assert plan.stage_of[first.id] != plan.stage_of[last[0].id]
    assert len(plan.last_regions) == 1


def vertex_names(vertices: tuple[Vertex, ...]) -> list[str]:
    return [vertex.name for vertex in vertices]


def test_chains_are_those_of_streaming_where_there_are_no_stages() -> None:
    def program(env: StreamExecutionEnvironment) -> CompiledJob:
        mapped = numbers(env).map(abs)
        mapped.print()
        mapped.rebalance().map(str).print()
        return compiled(env)

    pipelined = program(batch_environment(execution_batch__shuffle__mode="ALL_EXCHANGES_PIPELINED"))
    assert vertex_names(pipelined.graph.vertices) == vertex_names(program(environment()).graph.vertices)


def test_automatic_is_batch_if_every_source_is_bounded() -> None:
    assert counted(batch_environment(RuntimeExecutionMode.AUTOMATIC)).graph.configuration == {
        **counted(batch_environment()).graph.configuration
    }
    env = batch_environment(RuntimeExecutionMode.AUTOMATIC)
    endless = env.from_source(Ticker(), WatermarkStrategy.no_watermarks(), "ticks")
    endless.union(numbers(env)).key_by(lambda value: value).reduce(max).print()
    job = compiled(env)
    assert job.graph.configuration["execution.runtime-mode"] == "STREAMING"
    assert {edge.exchange for edge in job.graph.edges} == {Exchange.PIPELINED}


def test_an_unbounded_source_is_refused() -> None:
    env = batch_environment()
    env.from_source(Ticker(), WatermarkStrategy.no_watermarks(), "ticks").print()
    expected = (
        rf"operator Source .* \({HERE}\): batch mode reads its input to the end, and this source has none "
        r"\(execution.runtime-mode: BATCH\); bound the source, or run the program in the mode STREAMING or AUTOMATIC"
    )
    with pytest.raises(RuntimeModeError, match=expected):
        compiled(env)


def test_a_checkpoint_to_start_from_is_refused() -> None:
    with pytest.raises(RuntimeModeError, match=r"starts from no checkpoint \(execution.state-recovery.path, run -s\)"):
        counted(batch_environment(execution_state__recovery_path="/savepoints/1"))


def test_checkpointing_is_said_to_have_no_effect_once(caplog: pytest.LogCaptureFixture) -> None:
    env = batch_environment()
    env.enable_checkpointing(1_000)
    with caplog.at_level(logging.WARNING, "millstream"):
        counted(env)
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith("execution.checkpointing.interval has no effect in batch mode")
