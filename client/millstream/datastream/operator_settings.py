"""What can be set on an operator after the call that made it: the part that streams and sinks share."""

from typing import NoReturn, Self, cast

from millstream.compiler.naming import label, with_article
from millstream.datastream.slot_sharing import DescribedGroup, group_name
from millstream.errors import NotAnOperatorError, ParallelismError, ProgramError
from millstream_dataflow.configuration.options.execution import MAX_PARALLELISM_LIMIT
from millstream_dataflow.names import name_problem, text_problem
from millstream_dataflow.transformations import OperatorTransformation, Transformation

_STREAM_WORDS = {
    "PartitionTransformation": "a partitioned stream",
    "UnionTransformation": "a union of streams",
    "SideOutputTransformation": "a side output",
}


class OperatorSettings:
    """Settings of the operator behind a stream or a sink. Each setter returns the same object.

    NotAnOperatorError where there is no operator: behind a union, a partitioning or a side output.
    """

    _transformation: Transformation

    def __reduce__(self) -> NoReturn:
        """Refused: a function that uses a stream would carry the whole program with it, and to no use."""
        stays_in_program(self)

    def get_name(self) -> str:
        """The operator's name."""
        return self._operator("name").name

    def name(self, name: str) -> Self:
        """How the operator is called in plans, logs and metrics. Its state is found by `uid`, not by name."""
        self._operator("name").name = _text(name, "name")
        return self

    def uid(self, uid: str) -> Self:
        """What the operator's state is found by in savepoints, whatever else changes in the program.

        Unique in the program. Without one, the place of the operator in the program serves.
        """
        self._operator("uid").uid = _text(uid, "uid")
        return self

    def set_description(self, description: str) -> Self:
        """More about the operator than fits into its name."""
        operator = self._operator("set_description")
        if problem := text_problem(description):
            raise ProgramError(f"set_description takes a text, but {problem}", "describe the operator in words")
        operator.description = description
        return self

    def set_parallelism(self, parallelism: int) -> Self:
        """How many subtasks the operator has; ParallelismError for a number that it can't have."""
        operator = self._operator("set_parallelism")
        _check_range("parallelism", parallelism, operator)
        if operator.fixed_parallelism not in {None, parallelism}:
            what = f"it runs with parallelism {operator.fixed_parallelism} alone, not with {parallelism}"
            mend = "leave out set_parallelism; rebalance() deals its records out to what follows"
            raise ParallelismError(what, mend, operator=label(operator), defined_at=operator.defined_at)
        operator.parallelism = parallelism
        return self

    def set_max_parallelism(self, max_parallelism: int) -> Self:
        """The number of key groups of the operator's state, and so its greatest parallelism for all time."""
        operator = self._operator("set_max_parallelism")
        _check_range("max parallelism", max_parallelism, operator)
        operator.max_parallelism = max_parallelism
        return self

    def force_non_parallel(self) -> Self:
        """One subtask, whatever the environment says."""
        operator = self._operator("force_non_parallel")
        operator.parallelism = operator.fixed_parallelism = 1
        return self

    def start_new_chain(self) -> Self:
        """Don't run the operator in one task with its input."""
        self._operator("start_new_chain").chain_with_input = False
        return self

    def disable_chaining(self) -> Self:
        """Run the operator in a task of its own."""
        operator = self._operator("disable_chaining")
        operator.chain_with_input = operator.chain_with_outputs = False
        return self

    def slot_sharing_group(self, slot_sharing_group: str | DescribedGroup) -> Self:
        """Run the operator, and what follows it, in slots apart from those of other groups: by name, or PyFlink's
        SlotSharingGroup.
        """
        operator = self._operator("slot_sharing_group")
        operator.slot_sharing_group = group_name("slot_sharing_group", slot_sharing_group)
        return self

    def _operator(self, setting: str) -> OperatorTransformation:
        if isinstance(self._transformation, OperatorTransformation):
            return self._transformation
        kind = _STREAM_WORDS.get(type(self._transformation).__name__, "this stream")
        mend = f"call it on the operator before it or behind it, as in stream.map(f).{setting}(...)"
        raise NotAnOperatorError(f"{setting} was called on {kind}, which is no operator", mend)


def stays_in_program(part: object) -> NoReturn:
    """The error for an attempt to pickle a part of a program."""
    what = with_article(type(part).__name__)
    raise TypeError(f"{what} belongs to the program that makes the job; functions run elsewhere, and get records only")


def _text(value: str, setting: str) -> str:
    if problem := name_problem(value):
        raise ProgramError(f"{setting} takes a name, but {problem}", "give it another one")
    return value


def _check_range(what: str, number: int, operator: OperatorTransformation) -> None:
    if (
        not isinstance(cast("object", number), int)
        or isinstance(number, bool)
        or not 1 <= number <= MAX_PARALLELISM_LIMIT
    ):
        sentence = f"{what} {number!r} is not a number from 1 to {MAX_PARALLELISM_LIMIT}"
        raise ParallelismError(sentence, "choose one that is", operator=label(operator), defined_at=operator.defined_at)
