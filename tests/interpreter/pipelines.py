"""Random programs with their inputs, as values that print as what they are. Every record is a pair (key, number).

Two kinds, since arrival has an order, and only what doesn't depend on it can be compared at any parallelism:

* `orderly` ones have one source of one split, a watermark behind each record that raised it, and one path. So which
  records are late is the same at every run (law 7.2), and the results of each key are compared in their order. With
  more than one operator of keys all is of parallelism 1: else the second one hears from several subtasks, and whether
  the result of a late firing is late there depends on who is ahead.
  Windows that overlap, and those that no time completes, come last: several of the former fire at once in any order.
  Nothing looks at the order of what several keys give: times of the stream's own, and windows of all records, don't
  stand behind windows of keys.
* `prompt` ones have several splits and sources, joined in any way, at any parallelism. Their watermarks never pass a
  record that is still to come, so nothing is late in any order, and a function is given only what it may depend on:
  windows and timers see all records up to their time, in no order. Results are compared as multisets.

Left out of `prompt`, by name, since they go by the order of arrival: running reductions and states without times, side
outputs of late records, sessions that a record may touch at their very end, triggers that don't wait for all records,
count and global windows, evictors, what remembers firings, and all that goes by the clock. Left out of both: broadcast
state without keys, where nothing lets a record wait for its rules; plain `broadcast`, which gives as many results as
there are subtasks; what is shown of entries that are too old as long as they are there.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

from millstream.datastream.environment import StreamExecutionEnvironment
from tests.interpreter.column_stages import TELLINGS, Counted, Paired, Told
from tests.interpreter.inputs import FEW, MANY, MOSTLY, PHASE, RARELY, Input, paused, prompt_inputs, steps_of
from tests.interpreter.interpreter import Step
from tests.interpreter.keyed_stages import Alarm, Collect, Keeping, Running
from tests.interpreter.ledger import Ledger
from tests.interpreter.meetings import HOWS as MEETINGS
from tests.interpreter.meetings import Meeting
from tests.interpreter.stages import SIDE, Add, Deal, Keep, Rekey, Repeat, Retime, Stage
from tests.interpreter.waits import HOWS, Await
from tests.interpreter.window_choices import (
    SLIDING,
    TUMBLING,
    any_windows,
    sessions_on_time,
    windows_by_the_clock,
    windows_on_time,
)
from tests.interpreter.window_stages import Windowed

Environment = StreamExecutionEnvironment


@dataclass(frozen=True)
class Pipeline:
    """A program. `first` goes through its stages, meets the second stream, and goes through more."""

    orderly: bool
    first: Input
    before: tuple[Stage, ...]
    second: Input | None = None
    meeting: Meeting | None = None
    after: tuple[Stage, ...] = ()
    chained: bool = True
    widest: int = 3

    def build(self, env: Environment, parallelism: int) -> None:
        """Write it down. Its sinks are `out` and `side`."""
        parallelism = min(parallelism, self.widest)
        env.set_parallelism(parallelism)
        if not self.chained:
            env.disable_operator_chaining()
        readers = 1 if self.orderly else min(parallelism, 2)
        stream = self.first.stream(env, readers)
        of_keys = False
        for stage in self.before:
            former = len(env.program.operators)
            stream = stage.on(stream)
            of_keys = of_keys or stage.of_keys
            if self.orderly and not of_keys:
                for operator in env.program.operators[former:]:
                    operator.parallelism = 1
        if self.second is not None and self.meeting is not None:
            stream = self.meeting.on(stream, self.second.stream(env, readers))
        for stage in self.after:
            stream = stage.on(stream)
        if self.has_side:
            stream.get_side_output(SIDE).sink_to(Ledger("side")).name("side")
        stream.sink_to(Ledger("out")).name("out")

    @property
    def has_side(self) -> bool:
        """Whether the last operator has a side output that is taken."""
        last = self.after or (() if self.meeting is not None else self.before)
        return bool(last) and last[-1].has_side

    @property
    def ordered(self) -> bool:
        """Whether the results of a key have an order."""
        if any(isinstance(stage, Counted) for stage in self.before):
            return False
        windows = [stage for stage in self.before if isinstance(stage, Windowed)]
        return not any(one.overlaps or (one.of_all and self.widest > 1) for one in windows)

    @property
    def gives_up(self) -> bool:
        """Whether some answers are given up when they have taken too long: on a busy machine others do as well."""
        return any(isinstance(stage, Await) and stage.how == "mute" for stage in (*self.before, *self.after))

    def steps(self) -> list[Step]:
        """Its input, as the interpreter takes it."""
        if self.orderly:
            return self.first.steps()
        return steps_of(*(one for one in (self.first, self.second) if one is not None))


WAITS = st.integers(1, 4), st.sampled_from(HOWS)
PLAIN = st.one_of(
    st.builds(Add, st.integers(0, 5)),
    st.builds(Keep, st.integers(2, 3)),
    st.just(Repeat()),
    st.builds(Await, st.just(True), *WAITS),
)
RETIMES = st.builds(Retime, st.integers(0, 20), st.booleans())
UNORDERED = st.builds(Await, st.just(False), *WAITS)
COLLECT = st.builds(Collect, st.integers(0, 25))
STATEFUL = st.one_of(COLLECT, st.just(Running()), st.just(Keeping()))
AGEING = st.builds(Keeping, st.sampled_from([PHASE // 2, PHASE * 3 // 2]), st.booleans())
ALARMS = st.builds(Alarm, st.just(PHASE), st.sampled_from([PHASE * 3 // 2, PHASE * 5 // 2]))
TOLD = st.builds(Told, st.sampled_from(TELLINGS), st.booleans())
COUNTED = st.builds(Counted, TUMBLING | SLIDING, st.sampled_from([0, 10, 30]), st.booleans())
COUNTED_ON_TIME = st.builds(Counted, TUMBLING | SLIDING, st.just(0), st.booleans())
DEALS = st.builds(Deal, st.sampled_from(["rebalance", "shuffle", "rescale", "global_", "partition_custom"]))
ON_TIME = windows_on_time()


@st.composite
def orderly(draw: st.DrawFn, *, clocks: bool = True) -> Pipeline:
    """One split, records late by any measure. `clocks`: some of all that goes by the clock."""
    by_the_clock = clocks and draw(RARELY)
    records = tuple(draw(MANY if draw(MOSTLY) else FEW))
    split = draw(paused(records)) if by_the_clock else records
    delay, batch, enumerated = draw(st.integers(0, 40)), draw(st.integers(1, 4)), draw(st.booleans())
    source = Input("first", (split,), delay, batch, punctuated=True, enumerated=enumerated)
    stages: list[Stage] = draw(st.lists(PLAIN | RETIMES, max_size=2))
    stateful = STATEFUL | AGEING if by_the_clock else STATEFUL
    if draw(RARELY):
        stages.append(draw(TOLD))
        if not by_the_clock and draw(st.booleans()):
            stages.append(draw(COUNTED))
            return Pipeline(True, source, tuple(stages), chained=draw(st.booleans()))
        stages.append(Paired())
    is_single, of_all = draw(st.booleans()), draw(RARELY)
    if not is_single:
        first = draw(any_windows(last=False, of_all=of_all)) if of_all or draw(MOSTLY) else draw(stateful)
        stages += [first, *draw(st.lists(PLAIN | RETIMES if of_all else PLAIN, max_size=1))]
    if by_the_clock:
        stages.append(draw(st.one_of(AGEING, ALARMS, windows_by_the_clock(of_all=of_all))))
    else:
        stages.append(draw(any_windows(last=True, of_all=of_all)) if draw(MOSTLY) else draw(stateful))
    return Pipeline(True, source, tuple(stages), chained=draw(st.booleans()), widest=3 if is_single else 1)


@st.composite
def prompt(draw: st.DrawFn) -> Pipeline:
    """Any number of splits and subtasks; nothing is late."""
    stages = st.lists(st.one_of(PLAIN, UNORDERED, DEALS, COLLECT, ON_TIME, st.just(Rekey())), min_size=1, max_size=2)
    idles, sessions, before = draw(RARELY), draw(RARELY), draw(stages)
    if draw(RARELY):
        before = [*before, draw(TOLD), draw(COUNTED_ON_TIME) if draw(st.booleans()) else Paired()]
    first = draw(prompt_inputs("first", idles=idles, even=sessions))
    if sessions:
        before = [draw(sessions_on_time()), *before]
    after, second, meeting = [], None, None
    if draw(st.booleans()):
        second, after = draw(prompt_inputs("second", idles=idles)), draw(stages) if draw(st.booleans()) else []
        slides = st.sampled_from([0, 0, 3, 7])
        meeting = draw(st.builds(Meeting, st.sampled_from(MEETINGS), st.integers(0, 20), slides))
    return Pipeline(False, first, tuple(before), second, meeting, tuple(after), draw(st.booleans()))
