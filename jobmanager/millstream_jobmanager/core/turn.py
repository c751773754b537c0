"""One call of the core: the moment, and the commands it has led to so far.

Handed down as an argument, kept by nobody.
"""

from dataclasses import dataclass, field

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.commands import Command, Tell
from millstream_jobmanager.core.moment import Moment


@dataclass(slots=True)
class Turn:
    """What a handler may do beyond changing its own state."""

    now: Moment
    commands: list[Command] = field(default_factory=list[Command])

    def emit(self, command: Command) -> None:
        """Ask the shell for something."""
        self.commands.append(command)

    def tell(self, job: JobId | None, text: str, *, warning: bool = False) -> None:
        """Say a line to people."""
        self.commands.append(Tell(job, text, warning))
