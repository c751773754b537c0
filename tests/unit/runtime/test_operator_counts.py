"""Totals of one operator, which JobManager and tasks add up alike."""

from dataclasses import astuple, fields

from millstream_dataflow.identity import OperatorId
from millstream_runtime.messages.snapshots import OperatorCount


def test_every_counter_is_added_up() -> None:
    """Those to come as well."""
    counters = range(1, len(fields(OperatorCount)))
    one, other = OperatorCount(OperatorId("a"), *counters), OperatorCount(OperatorId("a"), *reversed(counters))
    assert astuple(one.plus(other)) == ("a", *[len(fields(OperatorCount))] * len(counters))
