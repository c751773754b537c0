"""Side outputs: a tag names a second stream that an operator gives beside its main one (Flink, "Side Outputs")."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from millstream_dataflow.names import name_problem
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.types import TypeInformation

T = TypeVar("T")


@dataclass(frozen=True)
class OutputTag(Generic[T]):
    """The name of a side output and the type of its values. Tags with one id are the same, whatever type they say.

    A function sends a value to the side by `yield tag, value`; `stream.get_side_output(tag)` is the stream of them.
    ValueError for an empty id or one that can't travel, TypeError for one that is no str, and for a type that is none.
    """

    tag_id: str
    type_info: TypeInformation[T] | None = field(default=None, compare=False)

    get_java_output_tag = NotThere("no Java runs here; the tag itself is what calls take")

    def __post_init__(self) -> None:
        """Refuse what can't name an output."""
        if problem := name_problem(self.tag_id):
            error = ValueError if isinstance(cast("object", self.tag_id), str) else TypeError
            raise error(f"OutputTag takes an id, for example OutputTag('late'), but {problem}")
        if not isinstance(cast("object", self.type_info), TypeInformation | None):
            raise TypeError(f"OutputTag takes a type of Types, such as Types.INT(), but got {self.type_info!r}")
