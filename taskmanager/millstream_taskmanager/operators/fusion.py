"""Runs of stateless row operators as one generated loop.

    map, filter, flat map becomes        def run(values, timestamps):
                                             out = []
                                             times = []
                                             for v0, time in zip(values, timestamps):
                                                 v1 = f0(v0)
                                                 if not f1(v1):
                                                     continue
                                                 items = f2(v1)
                                                 if items is not None:
                                                     for v2 in items:
                                                         ...

A function may keep what it gives and go on to change it, and those behind it may change what they get. So what it gives
is copied, unless nobody can change it: before the next map or flat map, or at the end. Records go through one at a
time, and filters only look at them. `pipeline.object-reuse` leaves the copies out, as the lines above do.

An error costs nothing until it comes: each line belongs to one operator, so the frame that the traceback leads through
says by its line which operator it was, and by its variables which record.

Measured on 8 k ints, Python 3.11, M records/s (a comprehension has the same speed as the loop, but from 3.12 on its
variables are gone when an error is looked at):

    operators (lambdas)           loop    comprehension    one comprehension each    map(), filter()
    map                           39      42               42
    map, filter                   18.7    19.4             18.5                      18.3
    map, filter, map, filter, map 12.0    12.5             11.3
    the same, with times          11.0                     10.0 (mask and compress)

With copies and without, on a busy machine, nanoseconds a record: a map to ints 85 and 62, to pairs 255 and 109, to
dicts of two fields 600 and 154; map, filter, map, filter, map of ints 260 and 224.
"""

import itertools
import linecache
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, ClassVar

from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.records import Barrier, RowBatch
from millstream_runtime.user_frames import GENERATED
from millstream_taskmanager.operators.base import SLICE, OperatorContext, Output, RowOperator, label
from millstream_taskmanager.operators.functions import FunctionLife
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.user_code.copies import IMMUTABLE, copy_of
from millstream_taskmanager.user_code.errors import NO_RECORD, UserCodeError, attributed
from millstream_taskmanager.user_code.returned import SEVERAL, several

Rows = tuple[list[Any], list[int] | None]
Run = Callable[[list[Any], list[int] | None], Iterator[Rows]]


class Stage(ABC):
    """One operator of a run: what it calls, and what it writes into the loop."""

    drops: ClassVar[bool] = False
    multiplies: ClassVar[bool] = False
    """Whether one record may become none, or many."""
    gives: ClassVar[bool] = True
    """Whether its function gives records, which it may go on to change; else it only looks at them."""

    def __init__(self, node: ChainNode, function: Callable[[Any], Any], owner: object) -> None:
        """`function` is what the loop calls; `owner` is what the user gave, which may have a life."""
        self.node = node
        self.function = function
        self.life = FunctionLife(owner)

    @staticmethod
    @abstractmethod
    def write(loop: "LoopSource") -> None:
        """The operator's lines."""


@dataclass(slots=True)
class LoopSource:
    """The text of a loop as it grows. `value` is the variable that holds the record at hand."""

    stage: int = 0
    value: str = "v0"
    lines: list[str] = field(default_factory=list[str])
    owners: list[tuple[int, str] | None] = field(default_factory=list[tuple[int, str] | None])
    """For each line the stage that it belongs to, and the variable with the stage's record."""
    _depth: int = 0

    @property
    def function(self) -> str:
        """What the stage calls."""
        return f"f{self.stage}"

    def line(self, text: str) -> None:
        """A line of the loop itself."""
        self.lines.append(" " * 4 * self._depth + text)
        self.owners.append(None)

    @property
    def result(self) -> str:
        """The variable for what the stage gives."""
        return f"v{self.stage + 1}"

    def own(self, text: str) -> None:
        """A line in which the user's code may raise."""
        self.line(text)
        self.owners[-1] = (self.stage, self.value)

    def copy(self, stage: int, value: str) -> None:
        """The record at hand for whoever comes next. A stage has given it, for what is in `value`."""
        for text in _COPY.format(value=self.value, plain=f"plain{stage}").splitlines():
            self.line(text)
            if "copy_of" in text:
                self.owners[-1] = (stage, value)

    def deeper(self) -> None:
        """What follows is inside of the last line."""
        self._depth += 1

    def back_to(self, depth: int) -> None:
        """What follows is that deep."""
        self._depth = depth


# Nothing is called for plain values and tuples of them, since a call costs as much as all the rest, and nothing is
# looked up for a value of the same plain type as the last one.
_COPY = """\
if type({value}) is not {plain}:
    if type({value}) is tuple:
        for part in {value}:
            if type(part) not in IMMUTABLE:
                {value} = copy_of({value})
                break
    elif type({value}) in IMMUTABLE:
        {plain} = type({value})
    else:
        {value} = copy_of({value})
"""


@dataclass(frozen=True, slots=True)
class Loop:
    """A compiled loop. `make` takes the functions of the stages and gives the run."""

    make: Callable[..., Run]
    file: str
    owners: Sequence[tuple[int, str] | None]


_numbers = itertools.count()


@lru_cache(maxsize=1024)  # one for each order of operators that the process has met; the text doesn't know functions
def compiled(stages: tuple[type[Stage], ...], *, timed: bool, reuse: bool) -> Loop:
    """The loop for operators of these kinds in this order. `reuse`: nothing is copied."""
    loop = LoopSource()
    loop.line(f"def make({', '.join(f'f{number}' for number in range(len(stages)))}):")
    loop.deeper()
    loop.line("def run(values, timestamps):")
    loop.deeper()
    _write_body(loop, stages, timed=timed, reuse=reuse)
    file = f"{GENERATED}loop {next(_numbers)}>"
    text = "\n".join([*loop.lines, "    return run", ""])
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # tracebacks show the lines
    names: dict[str, Any] = {"IMMUTABLE": IMMUTABLE, "SEVERAL": SEVERAL, "copy_of": copy_of, "several": several}
    exec(compile(text, file, "exec"), names)  # noqa: S102  # our own text
    return Loop(names["make"], file, tuple(loop.owners))


def _write_body(loop: LoopSource, stages: Sequence[type[Stage]], *, timed: bool, reuse: bool) -> None:
    """Times are carried along where rows vanish or multiply; else the batch's list is the result's."""
    carried = timed and any(stage.drops or stage.multiplies for stage in stages)
    loop.line("out = []")
    if carried:
        loop.line("times = []")
    if not reuse:
        for number, stage in enumerate(stages):
            if stage.gives:
                loop.line(f"plain{number} = None")
    loop.line("for v0, time in zip(values, timestamps):" if carried else "for v0 in values:")
    loop.deeper()
    _write_stages(loop, stages, reuse=reuse)
    loop.line(f"out.append({loop.value})")
    if carried:
        loop.line("times.append(time)")
    if any(stage.multiplies for stage in stages):
        _write_slices(loop, carried=carried)
    loop.back_to(2)
    loop.line("if out:")
    loop.deeper()
    loop.line(f"yield out, {'times' if carried else 'timestamps'}")


def _write_stages(loop: LoopSource, stages: Sequence[type[Stage]], *, reuse: bool) -> None:
    """What a function has given is copied before another one gets it that may change it: of this run, or behind it."""
    giver: tuple[int, str] | None = None
    for number, stage in enumerate(stages):
        if stage.gives and giver is not None:
            loop.copy(*giver)
        if stage.gives and not reuse:
            giver = number, loop.value
        loop.stage = number
        stage.write(loop)
    if giver is not None:
        loop.copy(*giver)


def _write_slices(loop: LoopSource, *, carried: bool) -> None:
    """What is full leaves at once (law 9.1)."""
    loop.line(f"if len(out) >= {SLICE}:")
    loop.deeper()
    loop.line(f"yield out, {'times' if carried else 'None'}")
    loop.line("out = []")
    if carried:
        loop.line("times = []")


class FusedOperator(RowOperator):
    """One or more stateless row operators. One whose function keeps lists of its own stands alone."""

    def __init__(self, stages: Sequence[Stage], *, reuse: bool = False) -> None:
        """`reuse`: nobody changes what it was given or has emitted (`pipeline.object-reuse`), so nothing is copied."""
        self._stages = tuple(stages)
        kinds = tuple(type(stage) for stage in stages)
        functions = [stage.function for stage in stages]
        self._loops = {timed: compiled(kinds, timed=timed, reuse=reuse) for timed in (False, True)}
        self._runs = {timed: loop.make(*functions) for timed, loop in self._loops.items()}

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        for stage in self._stages:
            stage.life.open(context.named(stage.node.id, label(stage.node)))

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        timed = batch.timestamps is not None
        run = self._runs[timed](batch.values, batch.timestamps)
        for values, timestamps in attributed(run, lambda error: self._attributed(error, self._loops[timed])):
            yield RowBatch(values, timestamps)

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """See Operator."""
        return [stored for stage in self._stages for stored in stage.life.snapshot(barrier)]

    def close(self) -> None:
        """See Operator."""
        with ExitStack() as stack:
            for stage in self._stages:
                stack.callback(stage.life.close)

    def _attributed(self, error: BaseException, loop: Loop) -> UserCodeError:
        """Which operator raised, and at which record."""
        cause = _unwrapped(error, loop.file)
        frame = _frame_of(cause.__traceback__, loop.file)
        owner = None if frame is None else loop.owners[frame.tb_lineno - 1]
        if frame is None or owner is None:
            return UserCodeError(cause, label(self._stages[0].node), NO_RECORD)
        stage, variable = owner
        return UserCodeError(cause, label(self._stages[stage].node), frame.tb_frame.f_locals[variable])


def _frame_of(trace: TracebackType | None, file: str) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace


def _unwrapped(error: BaseException, file: str) -> BaseException:
    """The loop is a generator, out of which Python lets a StopIteration only as a RuntimeError (PEP 479)."""
    cause = error.__cause__
    if isinstance(error, RuntimeError) and isinstance(cause, StopIteration):
        made_here = _frame_of(error.__traceback__, file) is None and _frame_of(cause.__traceback__, file) is not None
        return cause if made_here else error
    return error
