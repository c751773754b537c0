"""A program becomes a job: it gets its id, is compiled, and is given to an executor."""

import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from millstream.execution.context import ProgramContext
from millstream.execution.executor import executor_for, prepared
from millstream.execution.job_client import JobClient
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import execution
from millstream_dataflow.identity import JobId, OperatorId
from millstream_dataflow.transformations import Program

DEFAULT_JOB_NAME = "Millstream Streaming Job"


@dataclass(frozen=True, slots=True)
class Launch:
    """A job that was accepted."""

    client: JobClient
    operators: Mapping[int, OperatorId]
    """Id by number of transformation."""


def launch(
    program: Program,
    context: ProgramContext,
    configuration: Configuration,
    name: str | None = None,
    py_files: tuple[Path, ...] = (),
) -> Launch:
    """Submit what the program has written down.

    ProgramError when it can't become a job, and then it stays written down; ExecutionError when it is not accepted.
    """
    with prepared(configuration) if context.executor is None else nullcontext():
        # Not at the top: what compiles and what submits takes 0.3 s to import, during which something is prepared.
        from millstream.compiler.job_graph import CompileSettings, compile_program  # noqa: PLC0415  # see above

        settings = CompileSettings(
            job=JobId(uuid.uuid4().hex),
            name=name or configuration.get(execution.NAME) or DEFAULT_JOB_NAME,
            configuration=configuration,
            files=context.program_files(py_files),
        )
        compiled = compile_program(program, settings)
        executor = context.executor or executor_for(configuration)
        program.operators.clear()  # as in Flink: the next execute runs what is written down from now on
        context.jobs.append(settings.job)
        client = executor.submit(compiled.graph, compiled.blobs, configuration)
    return Launch(client, compiled.operators)
