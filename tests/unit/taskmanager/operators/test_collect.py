"""Records wait for the client."""

from millstream_dataflow.records import RowBatch
from millstream_taskmanager.operators.collect import CollectOperator


def test_each_record_is_fetched_once() -> None:
    operator = CollectOperator()
    for values in ([1, 2], [3]):
        assert list(operator.process(0, RowBatch(list(values)))) == []
    assert operator.fetch() == [1, 2, 3]
    assert operator.fetch() == []
