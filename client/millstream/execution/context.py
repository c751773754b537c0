"""What a program finds around it when it asks for its environment.

A script that is simply started finds the configuration file and the environment variables. One that `millstream run`
starts finds what the command line says as well; the command sets the context, runs the script, and looks at `jobs`
afterwards.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from millstream.compiler.source_files import ProgramFiles, locate
from millstream.execution.executor import Executor
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import JobId
from millstream_runtime.configuration import read_configuration


@dataclass(slots=True, eq=False)
class ProgramContext:
    """The surroundings of one program."""

    configuration: Configuration
    """What is set outside of the program, which may overrule it."""
    files: ProgramFiles | None = None
    """The program's source; None: as `__main__` says at the time a job is made."""
    executor: Executor | None = None
    """Takes the program's jobs in the place of `execution.target`: so `millstream info job.py` sees its plan."""
    jobs: list[JobId] = field(default_factory=list[JobId])
    """Every job that the program has asked for, in order; empty when it never called `execute`."""

    def program_files(self, py_files: tuple[Path, ...]) -> ProgramFiles:
        """Where the program's source lies, with what the program itself adds to it."""
        if self.files is None:
            return locate(sys.modules["__main__"], py_files)
        files = self.files
        return ProgramFiles(files.script, files.script_module, files.folder, (*files.py_files, *py_files))


_contexts: list[ProgramContext] = []


def current_context() -> ProgramContext:
    """The context that was set last, else that of a script which was simply started.

    ConfigurationError when configuration file or environment variables have mistakes.
    """
    return _contexts[-1] if _contexts else ProgramContext(read_configuration(environment=os.environ))


@contextmanager
def program_context(context: ProgramContext) -> Generator[ProgramContext]:
    """Within the block, environments are made in this context."""
    _contexts.append(context)
    try:
        yield context
    finally:
        _contexts.remove(context)
