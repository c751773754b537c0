"""What a user's class raises while a value is serialised is final only if it will be raised every time."""

import pytest

from millstream_dataflow.errors import (
    NonRecoverableError,
    NotSerializableError,
    SerializationError,
    serialization_error,
)
from tests.support.failing import FINAL, RETRIED

MEND = "Use another class"


@pytest.mark.parametrize("kind", RETRIED)
def test_what_may_go_away_is_recoverable(kind: type[Exception]) -> None:
    cause = kind("no room")
    error = serialization_error("it can't be stored", cause, MEND)
    assert type(error) is SerializationError
    assert not isinstance(error, NonRecoverableError)
    assert str(error) == f"it can't be stored: {kind.__name__}: no room", "another class would be no better"
    assert error.__cause__ is cause


@pytest.mark.parametrize("kind", [*FINAL, ModuleNotFoundError, NotSerializableError])
def test_what_will_happen_again_is_not(kind: type[Exception]) -> None:
    cause = kind("no way")
    error = serialization_error("it can't be stored", cause, MEND)
    assert type(error) is NotSerializableError
    assert isinstance(error, NonRecoverableError)
    assert str(error) == f"it can't be stored: {kind.__name__}: no way. {MEND}"
    assert str(serialization_error("it can't be stored", cause)).endswith("no way")
    assert error.__cause__ is cause
