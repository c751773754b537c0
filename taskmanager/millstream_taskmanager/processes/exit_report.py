"""How a worker process ended, as a sentence for people, with the last lines that it printed."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LINES: Final = 20
"""Of what a worker printed that its end is reported with: a traceback's innermost frames and the error."""

_CRASH: Final = "Fatal Python error"  # how the interpreter's own report begins (faulthandler)
_LINE_LIMIT: Final = 400  # characters of a line, so that a report stays far below a message's 256 KiB (law 3.3)


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of an end."""

    status: int
    """As `os.waitpid` gives it."""
    killed: bool = False
    """We have sent SIGKILL."""
    asked: bool = False
    """It was told to leave."""
    memory_kills: int | None = None
    """How many processes the kernel has killed for want of memory since this one began; None: it doesn't say."""
    memory: int = 0
    """The most it has held, in KiB."""


def describe(ending: Ending, lines: Sequence[str]) -> tuple[str, bool]:
    """The sentence, and whether the process crashed: ended by a signal that wasn't ours, or with an error."""
    code = os.waitstatus_to_exitcode(ending.status)
    if code == -signal.SIGKILL and ending.killed:
        return "killed, as it had not ended by itself", False
    if code == 0 and ending.asked:
        return "it left when it was told to", False
    if code < 0:
        cause = _signal(-code, ending)
    elif code == 0:
        cause = "it ended with exit code 0 though nobody had told it to: perhaps user code calls os._exit"
    else:
        cause = f"it ended with exit code {code}"
    return with_lines(cause, lines), True


def with_lines(cause: str, lines: Sequence[str]) -> str:
    """The sentence, and below it what was printed last."""
    shown = [line if len(line) <= _LINE_LIMIT else f"{line[:_LINE_LIMIT]}..." for line in _telling(lines)]
    return "\n  ".join([cause, "it printed last:", *shown]) if shown else cause


def _telling(lines: Sequence[str]) -> Sequence[str]:
    """The last ones; of a crash of the interpreter the first, since it prints the innermost frame first."""
    for number, line in enumerate(lines):
        if line.startswith(_CRASH):
            return lines[number : number + LINES]
    return lines[-LINES:]


def _signal(number: int, ending: Ending) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "which has no name"
    cause = f"killed by signal {number} ({name})"
    if number != signal.SIGKILL:
        return cause
    held = f"it held {ending.memory // 1024:,} MiB at most"
    if ending.memory_kills:
        return f"{cause}, out of memory: the kernel has killed for want of memory meanwhile; {held}"
    if ending.memory_kills is None:
        return f"{cause}, perhaps out of memory; {held}"
    return f"{cause}, by somebody else: the kernel has not killed for want of memory; {held}"
