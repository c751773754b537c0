"""Which operators have side outputs: those whose function chooses a tag for a record, and windows with late data."""

from typing import Any

from millstream.compiler.naming import label
from millstream.datastream.call_site import call_site
from millstream.datastream.keyed_functions import KeyedStandIn
from millstream.errors import NotAnOperatorError
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    OperatorSpecification,
    ProcessSpecification,
    WindowSpecification,
)
from millstream_dataflow.operators.two_inputs import (
    BroadcastProcessSpecification,
    CoCall,
    CoProcessSpecification,
    IntervalJoinSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.transformations import OperatorTransformation, Transformation

_MEND = "call it on what process() or a window gave"


def refuse_no_side_output(transformation: Transformation, tag: OutputTag[Any]) -> None:
    """NotAnOperatorError where nothing ever comes by that tag, so that the stream would be empty without a word."""
    if not isinstance(transformation, OperatorTransformation):
        what = "get_side_output was called on a stream that is no operator"
        raise NotAnOperatorError(what, _MEND, defined_at=call_site())
    if problem := _problem(transformation.specification, tag):
        what = f"get_side_output was called on {label(transformation)} ({transformation.defined_at}), {problem}"
        raise NotAnOperatorError(what, _mend(transformation.specification), defined_at=call_site())


def _problem(specification: OperatorSpecification, tag: OutputTag[Any]) -> str:
    match specification:
        case KeyedProcessSpecification(function=KeyedStandIn()):
            return "which has no side outputs"
        case ProcessSpecification() | KeyedProcessSpecification():
            return ""
        case CoProcessSpecification(call=CoCall.PROCESS) | KeyedCoProcessSpecification(call=CoCall.PROCESS):
            return ""
        case BroadcastProcessSpecification() | KeyedBroadcastProcessSpecification() | IntervalJoinSpecification():
            return ""
        case WindowSpecification(process=None, late=None):
            return "which has no side outputs: it was given no tag for late data"
        case WindowSpecification(process=None, late=OutputTag(tag_id=late)) if late != tag.tag_id:
            return f"whose only side output is its late data, by the tag {late!r}, not {tag.tag_id!r}"
        case WindowSpecification():
            return ""
        case _:
            return "which has no side outputs"


def _mend(specification: OperatorSpecification) -> str:
    if isinstance(specification, WindowSpecification):
        return "name the tag by side_output_late_data(tag), directly behind window(...)"
    return _MEND
