"""The record audit (law 10)."""

from millstream_dataflow.identity import ChannelId, EdgeId, OperatorId, SubtaskId, VertexId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.checkpoints.audit import edge_audits, imbalances, operator_audits, operator_imbalances
from millstream_runtime.messages.client import EdgeAudit
from millstream_runtime.messages.snapshots import AuditCounts, ChannelCount, OperatorCount
from tests.support.graphs import keyed_job

PLAN = Plan(keyed_job(2))


def counts(*, lost: ChannelId | None = None, doubled: ChannelId | None = None) -> dict[SubtaskId, AuditCounts]:
    """Every channel has carried 10 records."""
    found: dict[SubtaskId, AuditCounts] = {}
    for subtask in PLAN.subtasks:
        sent = [c for edge in PLAN.edges_from(subtask.vertex) for c in PLAN.channels_from(edge, subtask.index)]
        came = [c for edge in PLAN.edges_to(subtask.vertex) for c in PLAN.channels_to(edge, subtask.index)]
        operator = OperatorCount(OperatorId(f"{subtask.vertex}-op"), received=20, processed=18, late=2, committed=5)
        found[subtask] = AuditCounts(
            tuple(ChannelCount(channel, 10) for channel in sent),
            tuple(ChannelCount(channel, 10 - (channel == lost) + (channel == doubled)) for channel in came),
            (operator,),
        )
    return found


def test_balanced() -> None:
    """Law 10.1: both ends have counted the same."""
    assert imbalances(PLAN, counts()) == []


def test_a_lost_and_a_doubled_record_are_named_with_edge_and_counts() -> None:
    """Law 10.4."""
    channel = ChannelId(EdgeId(0), 0, 1)
    assert [str(wrong) for wrong in imbalances(PLAN, counts(lost=channel))] == [
        "edge Source -> Count, channel 0 -> 1: sent 10, received 9"
    ]
    assert [str(wrong) for wrong in imbalances(PLAN, counts(doubled=channel))] == [
        "edge Source -> Count, channel 0 -> 1: sent 10, received 11"
    ]


def test_an_end_that_is_silent_counts_nothing() -> None:
    """Law 10.1: the ends count independently; one that doesn't mention a channel says 0."""
    silent = counts()
    silent[SubtaskId(VertexId("sink"), 1)] = AuditCounts()
    assert [(wrong.sent, wrong.received) for wrong in imbalances(PLAN, silent)] == [(10, 0)]


def test_an_operator_that_lost_a_record_is_named_with_its_counts() -> None:
    """Law 10.2, over all subtasks: after a rescale the restored totals lie with another one."""
    assert operator_imbalances(PLAN, counts()) == []
    found = counts()
    subtask = SubtaskId(VertexId("count"), 1)
    wrong = OperatorCount(OperatorId("count-op"), received=20, processed=17, late=2)
    found[subtask] = AuditCounts(found[subtask].sent, found[subtask].received, (wrong,))
    assert [str(one) for one in operator_imbalances(PLAN, found)] == [
        "operator Count: received 40, but processed 35, late 4, skipped 0, quarantined 0, held 0"
    ]


def test_what_people_see() -> None:
    """Law 10.3: channels and subtasks summed, in the graph's order."""
    assert edge_audits(PLAN, counts().values()) == (
        EdgeAudit("Source -> Count", 40, 40),
        EdgeAudit("Count -> Sink", 20, 20),
    )
    shown = operator_audits(PLAN, counts().values())
    assert [(one.name, one.received, one.processed, one.late, one.committed) for one in shown] == [
        ("Source", 40, 36, 4, 10),
        ("Count", 40, 36, 4, 10),
        ("Sink", 40, 36, 4, 10),
    ]
