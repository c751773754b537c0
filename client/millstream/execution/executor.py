"""Who runs jobs. `execution.target` chooses; each one is imported when it is chosen, since a program needs only one.

Whoever adds one writes a class without constructor arguments that has the method of `Executor`, and its line in
`_HOMES`.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Final, Protocol, cast

from millstream.errors import ExecutionTargetMissingError
from millstream.execution.job_client import JobClient
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client
from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import JobGraph


class Executor(Protocol):
    """Takes jobs. Knows nothing of programs: graph and blobs are all there is."""

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """Start a job, and return when it is accepted. `configuration` is the program's, with the client's own keys.

        JobRefusedError or ClusterUnreachableError when it is not accepted.
        """
        ...


_HOMES: Final[Mapping[ExecutionTarget, tuple[str, str]]] = {
    ExecutionTarget.EMBEDDED: ("millstream.embedded", "EmbeddedExecutor"),
    ExecutionTarget.INLINE: ("millstream.inline", "InlineExecutor"),
    ExecutionTarget.REMOTE: ("millstream.submission", "RemoteExecutor"),
}


def executor_for(configuration: Configuration) -> Executor:
    """The executor that `execution.target` names; ExecutionTargetMissingError where this version has none."""
    target = configuration.get(client.TARGET)
    module, name = _HOMES[target]
    if find_spec(module) is None:
        raise ExecutionTargetMissingError(_missing(target, configuration))
    return cast(Executor, getattr(import_module(module), name)())


def prepared(configuration: Configuration) -> AbstractContextManager[None]:
    """While a program is compiled: what takes its time beside it. Nothing of it is left if no job comes of it."""
    if configuration.get(client.TARGET) is not ExecutionTarget.EMBEDDED:
        return nullcontext()
    from millstream.embedded.ahead import AHEAD  # noqa: PLC0415  # for this target only

    return AHEAD.started(configuration)


def available_targets() -> list[ExecutionTarget]:
    """The targets that this version can run jobs at."""
    return [target for target, (module, _) in _HOMES.items() if find_spec(module) is not None]


def _missing(target: ExecutionTarget, configuration: Configuration) -> str:
    there = " or ".join(other.value for other in available_targets())
    mend = f"set it to {there}" if there else "no target is there yet"
    origin = configuration.origin(client.TARGET)
    return f"{client.TARGET.key} = {target.value} ({origin}): this version has nothing that runs jobs there; {mend}"
