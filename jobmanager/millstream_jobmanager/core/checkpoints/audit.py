"""The record audit: whether every record that one end of a channel sent was received at the other (law 10).

Of each channel, at every checkpoint,

    restored in flight + sent  =  received + stored in flight

where an aligned barrier, or one that is counted channel by channel, leaves nothing in flight. Both ends count
independently, the sender as it hands a batch to the channel, the receiver as it takes it out; and each says what it
stores with the checkpoint, and what it began with. And what an operator has taken in, it has processed, dropped as
late, skipped, set aside, or still holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from millstream_dataflow.identity import ChannelId, OperatorId, SubtaskId
from millstream_dataflow.job_graph import Edge
from millstream_dataflow.plan import Plan
from millstream_runtime.messages.client import EdgeAudit, OperatorAudit
from millstream_runtime.messages.snapshots import AuditCounts, ChannelCount, OperatorCount


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A channel whose ends disagree."""

    edge: str
    channel: ChannelId
    sent: int
    received: int
    in_flight: int = 0
    restored: int = 0

    def __str__(self) -> str:
        text = (
            f"edge {self.edge}, channel {self.channel.source} -> {self.channel.target}: "
            f"sent {self.sent}, received {self.received}"
        )
        in_flight = f", stored in flight {self.in_flight}, restored in flight {self.restored}"
        return text + in_flight if self.in_flight or self.restored else text


@dataclass(frozen=True, slots=True)
class OperatorImbalance:
    """An operator that took records in, and can't say what became of each (law 10.2)."""

    operator: str
    total: OperatorCount

    def __str__(self) -> str:
        total = self.total
        return (
            f"operator {self.operator}: received {total.received}, but processed {total.processed}, late {total.late}, "
            f"skipped {total.skipped}, quarantined {total.quarantined}, held {total.held}"
        )


class Balance:
    """Whether the ends agree, channel by channel. It takes each part of a checkpoint as it comes: the channels of a
    job of a thousand subtasks are a million, and together with the last part they would stop the leader for seconds.
    """

    def __init__(self) -> None:
        self._open: dict[ChannelId, int] = {}

    @property
    def even(self) -> bool:
        """Of every channel both ends have said the same, so far."""
        return not self._open

    def take(self, audit: AuditCounts) -> None:
        """One task's counts."""
        for ends, sign in (audit.sent, 1), (audit.received, -1):
            for count in ends:
                in_flight = count.restored - count.in_flight
                difference = self._open.pop(count.channel, 0) + sign * count.records + in_flight
                if difference:
                    self._open[count.channel] = difference


def edge_name(plan: Plan, edge: Edge) -> str:
    """`Source -> Map`, with the side output's tag where it has one; the second input of connected streams is named."""
    tag = f" [{edge.tag}]" if edge.tag else ""
    second = f" (input {edge.input + 1})" if edge.input else ""
    return f"{plan.vertices[edge.source].name} -> {plan.vertices[edge.target].name}{tag}{second}"


def imbalances(plan: Plan, counts: Mapping[SubtaskId, AuditCounts]) -> list[Imbalance]:
    """Every channel that doesn't balance; one that an end doesn't mention counts 0 there."""
    sent = {count.channel: count for audit in counts.values() for count in audit.sent}
    received = {count.channel: count for audit in counts.values() for count in audit.received}
    edges = {edge.id: edge for edge in plan.graph.edges}
    found: list[Imbalance] = []
    for channel in sorted(sent.keys() | received.keys()):
        nothing = ChannelCount(channel, 0)
        one, other = sent.get(channel, nothing), received.get(channel, nothing)
        in_flight, restored = one.in_flight + other.in_flight, one.restored + other.restored
        if channel.edge in edges and restored + one.records != other.records + in_flight:
            name = edge_name(plan, edges[channel.edge])
            found.append(Imbalance(name, channel, one.records, other.records, in_flight, restored))
    return found


def operator_imbalances(plan: Plan, counts: Mapping[SubtaskId, AuditCounts]) -> list[OperatorImbalance]:
    """Every operator whose records don't add up. One that counts nothing is none, and adds up."""
    names = {operator.id: operator.name for vertex in plan.graph.vertices for operator in vertex.operators}
    return [
        OperatorImbalance(names.get(operator, operator), total)
        for operator, total in operator_totals(counts.values()).items()
        if total.received != total.processed + total.late + total.skipped + total.quarantined + total.held
    ]


def edge_audits(plan: Plan, counts: Iterable[AuditCounts]) -> tuple[EdgeAudit, ...]:
    """Both ends' counts of each edge, channels summed, and what both have in flight."""
    totals = {edge.id: [0, 0, 0, 0] for edge in plan.graph.edges}
    for audit in counts:
        for end, channels in enumerate((audit.sent, audit.received)):
            for count in channels:
                if (total := totals.get(count.channel.edge)) is not None:
                    total[end] += count.records
                    total[2] += count.in_flight
                    total[3] += count.restored
    return tuple(EdgeAudit(edge_name(plan, edge), *totals[edge.id]) for edge in plan.graph.edges)


def operator_totals(counts: Iterable[AuditCounts]) -> dict[OperatorId, OperatorCount]:
    """Each operator's totals since the job's beginning, subtasks summed."""
    totals: dict[OperatorId, OperatorCount] = {}
    for audit in counts:
        for count in audit.operators:
            totals[count.operator] = totals.get(count.operator, OperatorCount(count.operator)).plus(count)
    return totals


def operator_audits(plan: Plan, counts: Iterable[AuditCounts]) -> tuple[OperatorAudit, ...]:
    """What `millstream info <job>` shows, in the graph's order."""
    totals = operator_totals(counts)
    operators = [operator for vertex in plan.graph.vertices for operator in vertex.operators if operator.id in totals]
    return tuple(_shown(operator.name, totals[operator.id]) for operator in operators)


def _shown(name: str, total: OperatorCount) -> OperatorAudit:
    return OperatorAudit(
        name,
        received=total.received,
        processed=total.processed,
        late=total.late,
        skipped=total.skipped,
        quarantined=total.quarantined,
        held=total.held,
        committed=total.committed,
    )
