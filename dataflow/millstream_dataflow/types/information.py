"""What every type can tell about the values of a stream."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from millstream_dataflow.keys import UnstableKeyError, check_key_type
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.reprs import short_repr

T_co = TypeVar("T_co", covariant=True)


_ONE_FORM = "values have one form, the one that functions see; check(value) says whether one fits"


class TypeInformation(ABC, Generic[T_co]):
    """The type of a stream's values, of a part of them, or of a state. A value itself: frozen, compared by content.

    Users make them by `Types` (Flink, "Data Types in the Python DataStream API"). Two questions are kept apart:

    * Does a value *fit*? `check` answers with a sentence. An instance of a subclass fits, as it does in Python.
    * Does it travel as *plain* msgpack, so that the very same value, of the very same class, comes out again (law 9.4)?
      `is_plain` says whether values of this type can, `all_plain` whether those of a batch do. The rest is pickled.
    """

    __slots__ = ()

    get_java_type_info = NotThere("no Java runs here; the type itself is what calls take")
    need_conversion = NotThere(_ONE_FORM)
    to_internal_type = NotThere(_ONE_FORM)
    from_internal_type = NotThere(_ONE_FORM)

    @abstractmethod
    def misfit(self, value: object, place: str) -> str | None:
        """As `check`, for a value that stands at `place`, such as `value[1].name`."""

    @property
    @abstractmethod
    def is_plain(self) -> bool:
        """Whether values of this type may travel as msgpack, by a decoder of `python_type()`."""

    @abstractmethod
    def all_plain(self, values: Sequence[object]) -> bool:
        """Whether msgpack gives back each of these values, in value and in type. False for whatever doesn't fit.

        Costs C loops over the batch: 10 to 25 ns a scalar value. What is too rare to look for shows itself: msgspec's
        encoder raises OverflowError for an int beyond 64 bits, UnicodeEncodeError for a lone surrogate; then pickle.
        """

    def all_fit(self, values: Sequence[object]) -> bool:
        """Whether each of these values fits. Quick where they are plain; else the price of `check` for each."""
        return self.all_plain(values) or all(self.misfit(value, "value") is None for value in values)

    @abstractmethod
    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """The annotation for Python, and where `is_plain` for `msgspec.msgpack.Decoder(type=...)`."""

    @abstractmethod
    def key_problem(self) -> str | None:
        """Why values of this type can't be keys (law 11), or None. Single values may still be refused as they come."""

    @abstractmethod
    def __str__(self) -> str:
        """As the user would write it behind `Types.`, classes with their modules: what is written alike is one type."""

    def check(self, value: object) -> str | None:
        """None when the value fits, else a sentence with what was declared, and the value's actual type and content."""
        return self.misfit(value, "value")


def misfit_sentence(declared: object, meaning: str, value: object, place: str) -> str:
    """What is wrong with a value, in one line of bounded length whatever the value is."""
    actual = f"{type_name(type(value))} {short_repr(value)}"
    return f"{place} is {actual}, but {declared} was declared ({meaning}){_mend(value)}"


def type_name(cls: type) -> str:
    """The class with its module, without `builtins.`."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def class_key_problem(cls: type) -> str | None:
    """Why instances of a class can't be keys, in the words of `keys`; None if they can."""
    try:
        check_key_type(cls)
    except UnstableKeyError as problem:
        return str(problem)
    return None


def first_key_problem(parts: Sequence[tuple[str, TypeInformation[Any]]]) -> str | None:
    """The first part of a composite key that can't be one, with its name."""
    for name, part in parts:
        if problem := part.key_problem():
            return f"{name}: {problem}"
    return None


def _mend(value: object) -> str:
    numpy = sys.modules.get("numpy")  # who hasn't imported it has no such values
    return "; value.item() gives Python's own number" if numpy and isinstance(value, numpy.generic) else ""
