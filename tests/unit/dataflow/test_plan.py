"""How a job graph is laid out (laws 1.3 and 8.2): channels, workers, regions."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import EdgeId, RegionId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Edge, Exchange, JobGraph, Partitioning
from millstream_dataflow.plan import Plan, source_indices, target_indices
from millstream_dataflow.stages import ends_of, stage_problem
from tests.support.graphs import edge, forward_only, graph, keyed, keyed_job, sink, source, staged_job, two_pipelines

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
    ends = ends_of(plan.graph)
    if plan.staged and subtask.vertex in ends:  # the last stage is one region
        found |= {other for other in plan.subtasks if other.vertex in ends}
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


def test_a_blocking_edge_separates_regions_and_their_workers() -> None:
    """Laws 1.3 and 5.2: a stage takes the slots of the one before, so it shares no process with it."""
    start = source(1)
    shared, apart = sink(1), sink(1, group="other")
    for end in (shared, apart):
        assert len(Plan(graph((start, end), (edge(0, start, end, Partitioning.HASH, blocking=True),))).regions) == 2
        assert len(Plan(graph((start, end), (edge(0, start, end, Partitioning.HASH),))).regions) == 1
    assert Plan(graph((start, apart), ())).region_of[SubtaskId(VertexId("sink"), 0)] == 1


def test_stages() -> None:
    """Subtasks of a stage are regions of their own; what nothing reads from is one, and begins last."""
    plan = Plan(staged_job(3))
    assert plan.staged
    assert not Plan(keyed_job(3)).staged
    assert [[str(subtask) for subtask in region.subtasks] for region in plan.regions] == [
        *([f"source[{index}]"] for index in range(3)),
        *([f"count[{index}]"] for index in range(3)),
        ["sink[0]", "sink[1]", "sink[2]"],
    ]
    assert plan.last_regions == {6}
    assert [sorted(plan.producers_of(RegionId(number))) for number in range(7)] == [
        *([[]] * 3),
        *([[0, 1, 2]] * 3),
        [3, 4, 5],
    ]
    assert plan.consumers_of(RegionId(1)) == [3, 4, 5]
    assert plan.slots_needed() == 3
    assert plan.triggered == plan.subtasks, "no barrier comes through a file"
    assert Plan(keyed_job(3)).last_regions == {0}
    assert Plan(two_pipelines(2)).last_regions == {0, 1}


def test_one_to_one_edges_make_one_to_one_readers() -> None:
    start, middle, end = source(2), keyed(2), sink(1)
    first = edge(0, start, middle, Partitioning.FORWARD, blocking=True)
    plan = Plan(graph((start, middle, end), (first, edge(1, middle, end, Partitioning.GLOBAL, blocking=True))))
    assert [sorted(plan.producers_of(RegionId(number))) for number in (2, 3, 4)] == [[0], [1], [2, 3]]


def test_sinks_share_the_slots_of_the_last_stage() -> None:
    """Of all slot-sharing groups; a stage in between has slots of its own."""
    start, middle = source(2), keyed(3)
    ends = sink(1, name="early"), sink(3, name="late"), sink(2, name="apart", group="other")
    edges = [
        edge(n, origin, end, Partitioning.REBALANCE, blocking=True)
        for n, (origin, end) in enumerate([(start, middle), (start, ends[0]), (middle, ends[1]), (middle, ends[2])])
    ]
    plan = Plan(graph((start, middle, *ends), tuple(edges)))
    [last] = plan.last_regions
    assert len(plan.regions[last].workers) == 5
    assert plan.slots_needed() == 5
    assert plan.producers_of(last) == {region.id for region in plan.regions} - {last}


def test_stages_that_cannot_follow_one_another_are_refused() -> None:
    """Whoever submits such a graph: nobody's client makes one."""
    start, middle, end = source(1), keyed(1), sink(1)
    pipelined = edge(0, start, end, Partitioning.FORWARD)
    around = edge(1, start, middle, Partitioning.HASH, blocking=True), edge(2, middle, end, Partitioning.HASH)
    assert stage_problem(graph((start, middle, end), (around[0], around[1]))) is None
    mixed = (pipelined, around[0], edge(2, middle, end, Partitioning.HASH, blocking=True))
    words = stage_problem(graph((start, middle, end), mixed))
    assert words == "Sink reads from files and, by edge 0, from a task that runs; it can't do both"
    words = stage_problem(graph((start, middle, end), (pipelined, *around)))
    assert words == "Count reads what Source leaves at its end, but both run together"
    assert stage_problem(keyed_job(2)) is None


def test_the_largest_job_is_laid_out_in_a_moment() -> None:
    """By whoever leads, before each heartbeat is late: one by one its thousand million channels would take minutes."""
    (region,) = Plan(keyed_job(32_768)).regions
    assert len(region.workers) == 32_768
