"""`async def` functions: many records under way at once, each waiting for its answer (Flink's AsyncWaitOperator).

A record that has come is held until its results have left: asked for, when fewer than `capacity` are under way; asked
for once more, if the strategy says so; answered; given, when its turn has come (`async_queue`). All records that are
held are the operator's state, and a restored operator asks for each of them again, before new ones. So a barrier waits
for no answer, and a result is in a checkpoint's output exactly when its record isn't in its state.

All of it is done within steps: a coroutine that has ended, a deadline, the time of the next attempt are but noted, and
the task is asked for a step. Only at the end of the input does the task rest until all are answered.

Whoever sends the records is told to send few at a time where answers come slowly (`room`): a barrier waits behind the
records in the channels, which are taken in as others leave.

Measured on a busy machine with Python 3.11, thousands of records/s, in brackets what `asyncio.gather` does in a bare
program: a map over `asyncio.sleep(0)`, 100 at once, 28 to 35 (35 to 86); naps of 50 ms, 1,000 at once, 7 to 9 (10 to
12).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat, takewhile
from math import inf
from typing import Any, Final, NoReturn

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import AsyncFunction
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.records import Barrier, RowBatch, StreamStatus, Watermark
from millstream_taskmanager.operators.async_queue import AnswerQueue, Element
from millstream_taskmanager.operators.base import SLICE, OperatorContext, Output, RowOperator
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.functions import FunctionLife, TaskRuntimeContext
from millstream_taskmanager.operators.state import StoredList, only, stored_list
from millstream_taskmanager.operators.waiting import Cancellable, Rest, TaskCoroutines
from millstream_taskmanager.task.turns import TURN
from millstream_taskmanager.user_code.awaiting import awaitable
from millstream_taskmanager.user_code.copies import IMMUTABLE, copy_of
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.user_code.returned import several

_HELD: Final = "millstream.held"
"""The list of records under way, each with its time; no function's own list has this name."""

_WEIGHT: Final = 0.8
"""Of how long a record was under way against the next that is looked at."""

_Answer = tuple[Element, Any, BaseException | None]


class AsyncWaitOperator(RowOperator):
    """See the module."""

    audited = True
    makes_watermarks = True

    def __init__(self, specification: AsyncWaitSpecification, *, reuse: bool = False) -> None:
        """`reuse`: nobody changes what he was given or has given (`pipeline.object-reuse`), so nothing is copied."""
        self._specification = specification
        self._function = awaitable(specification.function)
        self._life = FunctionLife(specification.function)
        self._reuse = reuse
        self._queue = AnswerQueue.make(ordered=specification.ordered)
        self._answers = deque[_Answer]()
        self._overdue = deque[Element]()
        self._again = deque[Element]()
        self._deadlines: dict[int, Element] = {}  # of those that aren't answered, by number: the first is due first
        self._alarm: Cancellable | None = None
        self._coroutines: TaskCoroutines | None = None
        self._restored = 0
        self._residence: float | None = None  # milliseconds from the first attempt until the results leave

    def open(self, context: OperatorContext) -> None:
        """Asks for what was held when the checkpoint was taken."""
        self._context = context
        self._name = context.name
        self._delays = context.delays
        self._coroutines = context.coroutines
        self._start = self._coroutines.start
        # Otherwise it is of map and its like, which may have keys.
        is_own = isinstance(self._specification.function, AsyncFunction)
        self._life.open(context, WaitingContext(context) if is_own else None)
        restored: list[tuple[Any, int | None]] = context.state.items(_HELD)
        self._restored = len(restored)
        self._queue.add([value for value, _ in restored], [time for _, time in restored])
        self._ask()

    # ------------------------------------------------------------------------------------------- what comes

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator. A flat map before it, which asks nobody, may bring more than can be held."""
        self.received += len(batch)
        self._queue.add(batch.values, repeat(None) if batch.timestamps is None else batch.timestamps)
        self._ask()
        while self._queue.waiting > SLICE:
            yield Rest(self._has_news)
            yield from self._go_on()

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """It waits for the records before it."""
        self._queue.add_event(watermark)
        return self._leaving()

    def status(self, status: StreamStatus) -> Iterator[Output]:
        """As a watermark."""
        self._queue.add_event(status)
        return self._leaving()

    def on_time(self, now: int) -> Iterator[Output]:
        """Something was noted."""
        return self._go_on()

    def finish(self) -> Iterator[Output]:
        """All that is held is waited for."""
        yield from self._go_on()
        while not self._queue.empty:
            yield Rest(self._has_news)
            yield from self._go_on()

    @property
    def accepts(self) -> bool:
        """See Operator."""
        return self._queue.held < self._specification.capacity

    @property
    def room(self) -> float:
        """As many as leave in the time of a turn: the capacity, by how long one stays (Little's law)."""
        if self._residence is None:
            return self._specification.capacity
        return self._specification.capacity * TURN / self._residence if self._residence else inf

    @property
    def held(self) -> int:
        """See Operator."""
        return self._queue.held - self._restored

    # ------------------------------------------------------------------------------------------- what happens

    def _has_news(self) -> bool:
        return bool(self._answers or self._overdue or self._again)

    def _go_on(self) -> Iterator[Output]:
        while self._answers:
            self._take_answer(*self._answers.popleft())
        while self._overdue:
            self._give_up(self._overdue.popleft())
        while self._again:
            element = self._again.popleft()
            if element.late:
                self._give_up(element)
            else:
                self._call(element)
        yield from self._leaving()

    def _leaving(self) -> Iterator[Output]:
        """What may leave now, in slices; whoever waits is asked for in its place."""
        collector: Collector | None = None
        timed, last = False, None
        while (item := self._queue.pop()) is not None:
            if isinstance(item, Element):
                if collector is None or timed is not (item.time is not None):
                    yield from () if collector is None else collector.take()
                    timed = item.time is not None
                    collector = Collector(timed=timed, reuse=True)  # they were copied when they came
                for result in item.results or ():
                    collector.add(result, item.time)
                self.processed += 1
                last = item
                if collector.full:
                    self._ask()
                    yield from collector.take()
            else:
                yield from () if collector is None else collector.take()
                yield item
        if last is not None:
            self._note_residence(last)
        self._ask()
        yield from () if collector is None else collector.take()

    def _note_residence(self, element: Element) -> None:
        stayed = self._delays.now() - element.since
        former = stayed if self._residence is None else self._residence
        self._residence = _WEIGHT * former + (1 - _WEIGHT) * stayed

    # ------------------------------------------------------------------------------------------------ asking

    def _ask(self) -> None:
        """For as many as the capacity allows."""
        queue, capacity = self._queue, self._specification.capacity
        if not queue.waiting or queue.under_way >= capacity:
            return
        now, timeout = self._delays.now(), self._specification.timeout
        while queue.waiting and queue.under_way < capacity:
            element = queue.next_waiting()
            element.since = now
            if timeout is not None:
                element.deadline = now + timeout
                self._deadlines[element.number] = element
            self._call(element)
        self._set_alarm()

    def _call(self, element: Element) -> None:
        """One more attempt. What the function does to the record is its own affair: it may be asked for again."""
        element.attempts += 1
        value = self._own(element, element.value)
        element.waits_for = self._start(self._function, value, partial(self._answered, element))

    def _answered(self, element: Element, result: object, error: BaseException | None) -> None:
        """Called between steps."""
        element.waits_for = None
        self._answers.append((element, result, error))
        self._context.resume()

    # ------------------------------------------------------------------------------------------------ answers

    def _take_answer(self, element: Element, result: object, error: BaseException | None) -> None:
        results: list[Any] = []
        if error is None:
            results = self._results(element, result)
        if self._retries(element, results, error):
            element.cause = error
            if element.late:
                self._give_up(element)
            else:
                self._try_later(element)
        elif error is not None:
            raise UserCodeError(error, self._name, element.value) from error
        else:
            self._answer(element, results)

    def _answer(self, element: Element, results: list[Any]) -> None:
        self._deadlines.pop(element.number, None)
        self._queue.answer(element, results)

    def _results(self, element: Element, result: Any) -> list[Any]:  # noqa: ANN401  # whatever the function gave
        if self._specification.gives is Gives.RECORD:
            return [self._own(element, result)]
        if self._specification.gives is Gives.RECORDS:
            return [self._own(element, record) for record in self._listed(element, result)]
        with _AtRecord(self._name, element):
            return [element.value] if result else []

    def _listed(self, element: Element, result: Any) -> list[Any]:  # noqa: ANN401  # as above
        if result is None:
            return []
        with _AtRecord(self._name, element):
            return list(several(result))

    def _own(self, element: Element, value: Any) -> Any:  # noqa: ANN401  # as above
        """The value for who may change it, or who gave it and may have kept it."""
        if self._reuse or type(value) in IMMUTABLE:
            return value
        with _AtRecord(self._name, element):
            return copy_of(value)

    # ---------------------------------------------------------------------------------------------- once more

    def _retries(self, element: Element, results: list[Any], error: BaseException | None) -> bool:
        strategy = self._specification.retry
        if strategy is None:
            return False
        with _AtRecord(self._name, element):
            predicate = strategy.get_retry_predicate()
            if error is None:
                of_result = predicate.result_predicate()
                wanted = of_result is not None and of_result(results)
            else:
                of_error = predicate.exception_predicate()
                wanted = of_error is not None and isinstance(error, Exception) and of_error(error)
            return wanted and strategy.can_retry(element.attempts)

    def _try_later(self, element: Element) -> None:
        strategy = self._specification.retry
        if strategy is None:
            return
        with _AtRecord(self._name, element):
            delay = max(0, int(strategy.get_backoff_time_millis(element.attempts)))
        element.waits_for = self._delays.call_at(self._delays.now() + delay, partial(self._due_again, element))

    def _due_again(self, element: Element) -> None:
        """Called between steps."""
        element.waits_for = None
        self._again.append(element)
        self._context.resume()

    # ---------------------------------------------------------------------------------------------- deadlines

    def _set_alarm(self) -> None:
        """Deadlines come in the order of the records: one call at the first of them will do."""
        if self._alarm is None and (first := next(iter(self._deadlines.values()), None)) is not None:
            self._alarm = self._delays.call_at(first.deadline or 0, self._look_at_deadlines)

    def _look_at_deadlines(self) -> None:
        """Called between steps. One whose answer is there already is none the worse for it."""
        self._alarm = None
        now = self._delays.now()
        overdue = list(takewhile(lambda element: (element.deadline or 0) <= now, self._deadlines.values()))
        for element in overdue:
            del self._deadlines[element.number]
            element.late = True
            if element.waits_for is not None:
                element.waits_for.cancel()
                element.waits_for = None
                self._overdue.append(element)
                self._context.resume()
        self._set_alarm()

    def _give_up(self, element: Element) -> None:
        """The function may give something in the place of an answer."""
        function = self._specification.function
        own = isinstance(function, AsyncFunction) and type(function).timeout is not AsyncFunction.timeout
        with _AtRecord(self._name, element):
            if not own:
                raise TimeoutError(self._overdue_text(element)) from element.cause
            result = function.timeout(self._own(element, element.value))
        self._answer(element, [self._own(element, record) for record in self._listed(element, result)])

    def _overdue_text(self, element: Element) -> str:
        attempts = f" in {element.attempts} attempts" if element.attempts > 1 else ""
        return (
            f"no answer within the timeout of {self._specification.timeout} ms{attempts}; give it more time, or let "
            "timeout(value) of an AsyncFunction return what is to come in its place"
        )

    # -------------------------------------------------------------------------------------------- checkpoints

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """The records that are held, whether they are answered or not, and the function's own lists."""
        held = [(element.value, element.time) for element in self._queue.elements()]
        return [*only([stored_list(_HELD, held)]), *self._life.snapshot(barrier)]

    def close(self) -> None:
        """Nobody waits any more; the function is closed when its coroutines are gone."""
        for element in self._queue.elements():
            if element.waits_for is not None:
                element.waits_for.cancel()
                element.waits_for = None
        if self._alarm is not None:
            self._alarm.cancel()
        if self._coroutines is not None:
            self._coroutines.settle()
        self._life.close()


class WaitingContext(TaskRuntimeContext):
    """What an AsyncFunction may know. No key is its own: records of many keys are under way at once, as in Flink."""

    def refuse_state(self, state: str) -> NoReturn:
        """See TaskRuntimeContext."""
        raise InvalidProgramError(
            f"state {state!r} was asked for by an AsyncFunction, for which records of many keys wait at once, so none "
            "has its key at hand; use state of keys in a process function before or behind it, or keep state of the "
            "subtask by a CheckpointedFunction"
        )


class _AtRecord:
    """Within a `with` the user's code is at work on a record: what it raises becomes a UserCodeError."""

    __slots__ = ("_element", "_name")

    def __init__(self, name: str, element: Element) -> None:
        self._name = name
        self._element = element

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None and not isinstance(error, UserCodeError):
            raise UserCodeError(error, self._name, self._element.value) from error
