"""How a job graph is laid out (laws 1.3 and 8.2): channels, workers, regions."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import EdgeId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Edge, Exchange, JobGraph, Partitioning
from millstream_dataflow.plan import Plan, source_indices, target_indices
from tests.support.graphs import edge, forward_only, graph, keyed, keyed_job, sink, source, two_pipelines

parallelisms = st.integers(1, 12)


@given(st.sampled_from(Partitioning), parallelisms, parallelisms)
def test_sources_and_targets_are_each_others_inverse(partitioning: Partitioning, sources: int, targets: int) -> None:
    """Both ends compute the same channels; every subtask has at least one."""
    if partitioning is Partitioning.FORWARD:
        targets = sources
    forth = {(s, t) for s in range(sources) for t in target_indices(partitioning, s, sources, targets)}
    back = {(s, t) for t in range(targets) for s in source_indices(partitioning, t, sources, targets)}
    assert forth == back
    assert {s for s, _ in forth} == set(range(sources))
    assert {t for _, t in forth} == set(range(targets))
    if partitioning is Partitioning.FORWARD:
        assert forth == {(index, index) for index in range(sources)}
    elif partitioning is Partitioning.RESCALE:
        assert len(forth) == max(sources, targets)
    else:
        assert len(forth) == sources * targets


@st.composite
def job_graphs(draw: st.DrawFn) -> JobGraph:
    """Any acyclic graph of up to six vertices in up to three slot-sharing groups."""
    groups = st.sampled_from(["default", "one", "two"])
    shapes = draw(st.lists(st.tuples(st.integers(1, 4), groups), min_size=1, max_size=6))
    vertices = [keyed(p, name=f"v{number}", group=group) for number, (p, group) in enumerate(shapes)]
    edges: list[Edge] = []
    for end, vertex in enumerate(vertices):
        for start in vertices[:end]:
            if draw(st.booleans()):
                equal = start.parallelism == vertex.parallelism
                kinds = [kind for kind in Partitioning if equal or kind is not Partitioning.FORWARD]
                exchange = draw(st.sampled_from(Exchange))
                kind = draw(st.sampled_from(kinds))
                edges.append(Edge(EdgeId(len(edges)), start.id, vertex.id, kind, exchange))
    return graph(tuple(vertices), tuple(edges))


@given(job_graphs())
def test_regions_are_closed_and_nothing_is_left_out(job: JobGraph) -> None:
    """Law 1.3: every subtask is in one region, with all it shares a worker or a pipelined channel with."""
    plan = Plan(job)
    listed = [subtask for region in plan.regions for subtask in region.subtasks]
    assert sorted(listed) == sorted(plan.subtasks)
    assert len(set(listed)) == len(listed)
    for region in plan.regions:
        assert [worker.ordinal for worker in region.workers] == list(range(len(region.workers)))
        for worker in region.workers:
            for subtask in worker.subtasks:
                assert plan.region_of[subtask] == region.id
                assert subtask.index == worker.index
                assert plan.vertices[subtask.vertex].slot_sharing_group == worker.group
    for each in job.edges:
        for start in range(plan.vertices[each.source].parallelism):
            for channel in plan.channels_from(each, start):
                ends = SubtaskId(each.source, start), SubtaskId(each.target, channel.target)
                if each.exchange is Exchange.PIPELINED:
                    assert plan.region_of[ends[0]] == plan.region_of[ends[1]]


@given(job_graphs())
def test_regions_are_no_larger_than_they_must_be(job: JobGraph) -> None:
    """Law 1.3: other regions go on, so a region that could be two is a mistake."""
    plan = Plan(job)
    for region in plan.regions:
        seen, edge_of_seen = set(region.workers[0].subtasks), list(region.workers[0].subtasks)
        workers = {subtask: worker for worker in region.workers for subtask in worker.subtasks}
        while edge_of_seen:
            subtask = edge_of_seen.pop()
            for near in {*_neighbours(plan, subtask), *workers[subtask].subtasks} - seen:
                seen.add(near)
                edge_of_seen.append(near)
        assert seen == set(region.subtasks)


def _neighbours(plan: Plan, subtask: SubtaskId) -> set[SubtaskId]:
    found: set[SubtaskId] = set()
    for each in plan.graph.edges:
        if each.exchange is Exchange.PIPELINED and each.source == subtask.vertex:
            found |= {SubtaskId(each.target, channel.target) for channel in plan.channels_from(each, subtask.index)}
        if each.exchange is Exchange.PIPELINED and each.target == subtask.vertex:
            found |= {SubtaskId(each.source, channel.source) for channel in plan.channels_to(each, subtask.index)}
    return found


@given(job_graphs())
def test_channels_have_two_ends_and_the_same_graph_the_same_plan(job: JobGraph) -> None:
    """Everybody plans for himself, so nothing may depend on chance (ARCHITECTURE 3: nothing is negotiated)."""
    plan, again = Plan(job), Plan(job)
    assert plan.regions == again.regions
    assert plan.region_of == again.region_of
    for each in job.edges:
        forth = {c for s in range(plan.vertices[each.source].parallelism) for c in plan.channels_from(each, s)}
        back = {c for t in range(plan.vertices[each.target].parallelism) for c in plan.channels_to(each, t)}
        assert forth == back


def test_examples() -> None:
    """The shapes that stories speak of."""
    assert [len(region.workers) for region in Plan(keyed_job(3)).regions] == [3]
    assert [len(region.workers) for region in Plan(two_pipelines(2)).regions] == [2, 2]
    assert [len(region.workers) for region in Plan(forward_only(4)).regions] == [1, 1, 1, 1]
    assert Plan(keyed_job(3)).slots_needed() == 3
    assert [str(subtask) for subtask in Plan(keyed_job(2)).triggered] == ["source[0]", "source[1]"]


def test_the_largest_parallelism_of_a_group_is_its_slots() -> None:
    """Design 2.5: one slot holds one subtask of every vertex of a slot-sharing group."""
    start, end = source(1), sink(3)
    plan = Plan(graph((start, end), (edge(0, start, end, Partitioning.REBALANCE),)))
    assert [[str(subtask) for subtask in worker.subtasks] for worker in plan.regions[0].workers] == [
        ["source[0]", "sink[0]"],
        ["sink[1]"],
        ["sink[2]"],
    ]


def test_a_blocking_edge_separates_regions_unless_they_share_workers() -> None:
    """Law 1.3."""
    start = source(1)
    shared, apart = sink(1), sink(1, group="other")
    assert len(Plan(graph((start, shared), (edge(0, start, shared, Partitioning.HASH, blocking=True),))).regions) == 1
    assert len(Plan(graph((start, apart), (edge(0, start, apart, Partitioning.HASH, blocking=True),))).regions) == 2
    assert len(Plan(graph((start, apart), (edge(0, start, apart, Partitioning.HASH),))).regions) == 1
    assert Plan(graph((start, apart), ())).region_of[SubtaskId(VertexId("sink"), 0)] == 1


def test_the_largest_job_is_laid_out_in_a_moment() -> None:
    """By whoever leads, before each heartbeat is late: one by one its thousand million channels would take minutes."""
    (region,) = Plan(keyed_job(32_768)).regions
    assert len(region.workers) == 32_768
