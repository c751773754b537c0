"""What can be said of windows before it is said what happens to them: the part that keyed and unkeyed ones share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from millstream.datastream.arguments import accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.declared_types import AnyType
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.recording import add_operator
from millstream.datastream.unfinished import Unfinished
from millstream.errors import ArgumentError, ProgramError
from millstream_dataflow.operators.base import KeySelection
from millstream_dataflow.operators.windows import NoKey, WindowSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import Span, to_milliseconds
from millstream_dataflow.transformations import OperatorTransformation, Transformation
from millstream_dataflow.windows import Evictor, GlobalWindows, MergingWindowAssigner, Trigger, Window, WindowAssigner

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment

T = TypeVar("T")
W = TypeVar("W", bound=Window)


class WindowSettings(Unfinished, Generic[T, W]):
    """See the module. Each setter returns the same object."""

    _next = "say what happens to each window by reduce, aggregate, process or apply"

    def __init__(
        self,
        environment: StreamExecutionEnvironment,
        origin: Transformation,
        key: KeySelection,
        assigner: WindowAssigner[Any, W],
    ) -> None:
        self._environment = environment
        self._origin = origin
        self._key = key
        self._assigner = assigner
        self._trigger: Trigger[Any, Any] | None = None
        self._evictor: Evictor[Any, Any] | None = None
        self._allowed_lateness = 0
        self._late: OutputTag[Any] | None = None
        if isinstance(assigner, MergingWindowAssigner):
            self._refuse_unmergeable("window", assigner.get_default_trigger(environment))

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that the stream belongs to."""
        return self._environment

    def get_input_type(self) -> AnyType:
        """The declared type of the records; None when there is none."""
        return self._origin.type

    def trigger(self, trigger: Trigger[T, W]) -> Self:
        """Say when windows fire, in the place of what their assigner says: a CountTrigger on windows of time fires by
        count alone. ArgumentError for one that can't merge on windows that do, such as sessions.
        """
        accepted_instance("trigger", trigger, Trigger, "a Trigger, such as CountTrigger.of(100)")
        self._refuse_unmergeable("trigger", trigger)
        self._trigger = trigger
        return self

    def evictor(self, evictor: Evictor[T, W]) -> Self:
        """Let windows forget some of their records whenever they fire. All records are kept until then, and `reduce` or
        `aggregate` go over those that are left; of none there is no result.
        """
        accepted_instance("evictor", evictor, Evictor, "an Evictor, such as CountEvictor.of(100)")
        self._evictor = evictor
        return self

    def allowed_lateness(self, time_ms: Span) -> Self:
        """Keep a window that has fired for this long (milliseconds), and fire it again at each late record."""
        lateness = to_milliseconds(time_ms)
        if lateness < 0:
            raise ProgramError(f"allowed_lateness of {lateness} ms", "give it 0 or more", defined_at=call_site())
        if not self._assigner.is_event_time():
            what = f"allowed_lateness on {type(self._assigner).__name__}, which don't go by event time"
            raise ProgramError(what, "nothing is late there; leave it out", defined_at=call_site())
        self._allowed_lateness = lateness
        return self

    def side_output_late_data(self, output_tag: OutputTag[T]) -> Self:
        """Give records that come too late for their window to a side output instead of dropping them."""
        accepted_instance("side_output_late_data", output_tag, OutputTag, "an OutputTag")
        self._late = output_tag
        return self

    # ---------------------------------------------------------------------------------------------------- inside

    def _add(
        self,
        type_: AnyType,
        process: object = None,
        *,
        reduce: object = None,
        aggregate: object = None,
        with_firings: bool = False,
    ) -> OperatorTransformation:
        """The operator of these windows."""
        if isinstance(self._assigner, GlobalWindows) and self._trigger is None:
            mend = "call trigger(...) on them, for example with CountTrigger.of(100)"
            raise ProgramError("GlobalWindows never fire by themselves", mend, defined_at=call_site())
        specification = WindowSpecification(
            self._key,
            self._assigner,
            reduce,
            aggregate,
            process,
            self._allowed_lateness,
            self._late,
            self._trigger,
            self._evictor,
            with_firings,
        )
        operator = add_operator(self._environment.program, self._origin, specification, type_)
        if isinstance(self._key.selector, NoKey):
            operator.fixed_parallelism = 1  # all records meet in one subtask
        return operator

    def _refuse_unmergeable(self, call: str, trigger: Trigger[Any, Any]) -> None:
        if isinstance(self._assigner, MergingWindowAssigner) and not trigger.can_merge():
            windows, name = type(self._assigner).__name__, type(trigger).__name__
            what = f"{call} got {windows}, whose windows merge, with {name}, which can't"
            mend = "take another trigger, or let can_merge of yours return True and write on_merge"
            raise ArgumentError(what, mend, defined_at=call_site())
