"""The record with the least or the greatest value in a field: `min_by("price")`, where `min` keeps the first record."""

from dataclasses import dataclass
from typing import Any

from millstream.datastream.fields import not_combined
from millstream_dataflow.expressions.records import Field, field_of


@dataclass(frozen=True, slots=True)
class MinBy:
    """The record with the least of all in one field; of equal ones the first, or the last."""

    field: Field
    first: bool = True

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # records are the user's
        """One of two records."""
        former, new = field_of(one, self.field), field_of(other, self.field)
        try:
            return other if new < former or (new == former and not self.first) else one
        except TypeError as problem:
            raise not_combined("min_by", self.field, former, new, problem) from None


@dataclass(frozen=True, slots=True)
class MaxBy:
    """The record with the greatest of all in one field; of equal ones the first, or the last."""

    field: Field
    first: bool = True

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """One of two records."""
        former, new = field_of(one, self.field), field_of(other, self.field)
        try:
            return other if new > former or (new == former and not self.first) else one
        except TypeError as problem:
            raise not_combined("max_by", self.field, former, new, problem) from None
