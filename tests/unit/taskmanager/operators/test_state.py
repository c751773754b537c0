"""Items of lists as bytes and back: an error that may go away is no reason to give the job up."""

import pytest

from millstream_dataflow.errors import NonRecoverableError, SerializationError
from millstream_taskmanager.operators.state import RestoredState, StoredList, pickled, stored_list
from millstream_taskmanager.user_code.errors import failure_of
from tests.support.failing import GUILTY_LINE, KINDS, Failing, FailingToReturn


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_an_item_whose_class_raises(kind: type[Exception], restartable: bool) -> None:
    with pytest.raises(SerializationError) as caught:
        pickled(Failing(kind))
    assert isinstance(caught.value, NonRecoverableError) is not restartable
    assert f"Failing({kind.__name__}) can't be pickled" in str(caught.value)
    failure = failure_of(caught.value)
    assert failure.restartable is restartable
    assert failure.source_line.endswith(GUILTY_LINE)
    assert f"{kind.__name__}: {Failing.words}" in failure.traceback


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_an_item_that_can_not_be_made_again(kind: type[Exception], restartable: bool) -> None:
    restored = RestoredState((stored_list("ours", [1, FailingToReturn(kind)]),))
    assert restored.items("another's") == []
    with pytest.raises(SerializationError, match=r"list 'ours' can't be read from the checkpoint: .*nobody") as caught:
        restored.items("ours")
    failure = failure_of(caught.value)
    assert failure.restartable is restartable
    assert failure.source_line.endswith('raise state["kind"]("nobody is there")')


def test_an_item_whose_class_is_gone_is_final() -> None:
    stored = stored_list("ours", [FailingToReturn(OSError)])
    gone = StoredList(
        "ours", stored.redistribution, tuple(item.replace(b"ToReturn", b"ToRemain") for item in stored.items)
    )
    with pytest.raises(SerializationError, match=r"FailingToRemain.* must be found under the module") as caught:
        RestoredState((gone,)).items("ours")
    assert not failure_of(caught.value).restartable
