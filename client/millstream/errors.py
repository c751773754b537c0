"""What can go wrong between a program and its job, as one tree.

`ProgramError` and its children are mistakes in a program, found before anything is submitted. `ExecutionError` and its
children tell how a job that was submitted went. Each message says what is wrong, where (operator, `file:line` of the
user's call) and what to do.
"""

from millstream_dataflow.identity import JobId
from millstream_runtime.messages.failures import Failure


class MillstreamError(Exception):
    """Base of all errors that Millstream raises in a user's program."""


# ------------------------------------------------------------------------------------------ mistakes in a program


class ProgramError(MillstreamError):
    """A program that can't become a job.

    `what` is wrong, `mend` is what to do about it; `operator` names the operator in question and `defined_at` the line
    (`file:line`) that made it, both empty where there is none.
    """

    def __init__(self, what: str, mend: str, *, operator: str = "", defined_at: str = "") -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend
        self.operator = operator
        self.defined_at = defined_at

    def __str__(self) -> str:
        place = f"({self.defined_at})" if self.defined_at else ""
        head = " ".join(text for text in (self.operator and f"operator {self.operator}", place) if text)
        sentence = f"{self.what}; {self.mend}" if self.mend else self.what
        return f"{head}: {sentence}" if head else sentence


class ArgumentError(ProgramError, TypeError):
    """A call got something else than it takes: no function where one belongs, or a function of another kind."""


class EmptyProgramError(ProgramError):
    """There is nothing to execute."""


class NotAnOperatorError(ProgramError):
    """A setting of operators (name, uid, parallelism) was given to a stream that is none."""


class KeyedStreamRequiredError(ProgramError, AttributeError):
    """An operation that works per key was asked of a stream without keys."""


class NotSupportedError(ProgramError, AttributeError):
    """A call that PyFlink has and this version doesn't."""


class FacadeError(ProgramError, ImportError):
    """A program that was written for PyFlink imports a module or a name of PyFlink's that isn't there."""


class ForeignStreamError(ProgramError, ValueError):
    """Streams of two environments, and so of two programs, were given to one call."""


class EndlessInlineError(ProgramError):
    """A job that never ends was to run inline by `execute_async`, which would never return."""


class KeyTypeError(ProgramError, TypeError):
    """A declared type of keys whose hash would not be the same everywhere and always (law 11)."""


class PartitioningError(ProgramError):
    """Records can't travel as the program says."""


class ParallelismError(ProgramError, ValueError):
    """A parallelism that an operator can't have."""


class CycleError(ProgramError):
    """A stream that feeds itself."""


class DuplicateUidError(ProgramError):
    """Two operators with one uid: their states could not be told apart."""


class RuntimeModeError(ProgramError):
    """A program that can't run in the mode that was chosen (`execution.runtime-mode`)."""


class MissingUidError(ProgramError):
    """Operators without a uid in a program that wants one for each (`pipeline.auto-generate-uids: false`)."""


class CheckpointingRequiredError(ProgramError):
    """An unbounded job whose sinks commit at checkpoints, and no checkpoints (law 5.4)."""


class NotPicklableError(ProgramError):
    """A function can't travel to the workers. `path` leads to the part that can't."""

    def __init__(self, what: str, mend: str, *, operator: str = "", defined_at: str = "", path: str = "") -> None:
        super().__init__(what, mend, operator=operator, defined_at=defined_at)
        self.path = path


class SizeLimitError(ProgramError):
    """A job that is larger than a cluster takes."""


class ModuleArchiveError(ProgramError):
    """A source file that a job needs can't be brought to the workers."""


# ----------------------------------------------------------------------------------------------- how a job went


class ExecutionError(MillstreamError):
    """A job that was, or should have been, submitted went wrong. `job` is empty when none was made."""

    def __init__(self, message: str, *, job: JobId | None = None) -> None:
        super().__init__(message)
        self.job = job


class ExecutionTargetMissingError(ExecutionError):
    """This version has nothing that runs jobs at the chosen `execution.target`."""


class ClusterUnreachableError(ExecutionError):
    """Nobody answered within `client.timeout`, or a JobManager did that could not do it. Where a request may have taken
    effect all the same, the message says so.
    """


class RequestRefusedError(ExecutionError):
    """The cluster answered no, and would not answer otherwise a second time."""


class JobRefusedError(RequestRefusedError):
    """The cluster did not take the job."""


class JobNotFoundError(RequestRefusedError):
    """The cluster knows no such job, or has forgotten it since it ended."""


class SavepointFailedError(ExecutionError):
    """A savepoint was asked for and could not be taken."""


class JobFailedError(ExecutionError):
    """The job ended as FAILED; the message carries the root cause, `failure` the same in its parts."""

    def __init__(self, message: str, *, job: JobId | None = None, failure: Failure | None = None) -> None:
        super().__init__(message, job=job)
        self.failure = failure


class JobCanceledError(ExecutionError):
    """The job was cancelled before it had finished."""


class DetachedResultError(ExecutionError):
    """Something was asked of a job that the program did not wait for."""
