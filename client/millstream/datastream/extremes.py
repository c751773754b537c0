"""The record with the least or the greatest value in a field: `min_by("price")`, where `min` keeps the first record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millstream.datastream.fields import greatest, least, not_combined
from millstream_dataflow.expressions.records import Field, field_of


@dataclass(frozen=True, slots=True)
class MinBy:
    """The record with the least of all in one field; of equal ones the first, or the last."""

    field: Field
    first: bool = True

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # records are the user's
        """One of two records."""
        return _chosen("min_by", self, least, one, other)


@dataclass(frozen=True, slots=True)
class MaxBy:
    """The record with the greatest of all in one field; of equal ones the first, or the last."""

    field: Field
    first: bool = True

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """One of two records."""
        return _chosen("max_by", self, greatest, one, other)


def _chosen(call: str, by: MinBy | MaxBy, better: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
    """The record with the better value: of two values, the one that stands behind the other is taken only if it
    is better.
    """
    former, new = field_of(one, by.field), field_of(other, by.field)
    try:
        if by.first:
            return one if better(former, new) is former else other
        return other if better(new, former) is new else one
    except TypeError as problem:
        raise not_combined(call, by.field, former, new, problem) from None
