"""Why the tasks of a worker can't begin, and whether trying again could help."""

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.checkpoint_files import CheckpointFileError, CorruptCheckpointError
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.user_code.errors import UnsupportedOperatorError
from millstream_taskmanager.worker.startup import WrongVersionsError, startup_failure


def refused_configuration() -> Exception:
    try:
        Configuration.from_strings({"parallelism.default": "many"})
    except ConfigurationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "kind", "restartable"),
    [
        (WrongVersionsError("python 2.7 there"), FailureKind.USER, False),
        (refused_configuration(), FailureKind.USER, False),
        (UnsupportedOperatorError("nothing runs it"), FailureKind.USER, False),
        (CorruptCheckpointError("damaged"), FailureKind.CHECKPOINT, True),
        (CheckpointFileError("away"), FailureKind.EXTERNAL, True),
        (ZeroDivisionError("ours"), FailureKind.INTERNAL, True),
    ],
)
def test_who_can_mend_it(error: Exception, kind: FailureKind, restartable: bool) -> None:
    failure = startup_failure(error)
    assert (failure.kind, failure.restartable) == (kind, restartable)
