"""The keys of records, as the user's selector gives them, and the record whose key can't be one."""

from collections.abc import Callable, Sequence
from typing import Any

from millstream_dataflow.keys import UnstableKeyError, key_hash
from millstream_taskmanager.user_code.errors import NO_RECORD, UserCodeError, last_given


def selected_keys(values: Sequence[Any], select: Callable[[Any], Any], operator: str) -> list[Any]:
    """The key of each value."""
    given = iter(values)
    try:
        return [select(value) for value in given]
    except BaseException as error:  # the user's code may raise what it likes
        raise UserCodeError(error, operator, last_given(values, given)) from error


def first_unstable(values: Sequence[Any], keys: Sequence[object]) -> object:
    """The first value whose key can't be one."""
    for value, key in zip(values, keys, strict=True):
        try:
            key_hash(key)
        except UnstableKeyError:
            return value
    return NO_RECORD
