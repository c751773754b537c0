"""Python values of a declared type as bytes: what arrives equals what was sent, in value and in type (law 9.4).

msgpack where every value of the batch is plain, and pickle (protocol 5) for all others: subclasses, integers over 64
bits, rows, whatever has no declared type. Both need the check that the values are of their type: with it, and garbage
collection out of the way, nanoseconds a row for

                                    check   msgpack out + in   pickle out + in
    tuple of str, int, float           94            14 + 47           57 + 52
    int                                30             3 +  9            6 +  9
    str                                12             4 + 15           22 + 20
    NamedTuple of the same three       74            14 + 49         589 + 173
    frozen dataclass with slots       100            86 + 139      1166 + 1024
"""

import pickle
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from millstream_dataflow.errors import InvalidTypesError, serialization_error
from millstream_dataflow.types import TypeInformation
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import MSGPACK, PICKLE
from millstream_taskmanager.user_code.errors import NO_RECORD, UserCodeError

_PROTOCOL = 5

# What msgpack shows only while it encodes: an int over 64 bits, a lone surrogate; nesting as deep as Python goes.
_NOT_PLAIN = (OverflowError, UnicodeEncodeError, RecursionError)


class RowCodec:
    """Rows of one edge. `operator` is named when a record doesn't fit or can't travel."""

    def __init__(self, type_: TypeInformation[Any] | None, operator: str) -> None:
        self._type = type_
        self._operator = operator
        self._encode = msgspec.msgpack.Encoder().encode
        self._is_plain = type_ is not None and type_.is_plain

    @cached_property
    def _decoder(self) -> msgspec.msgpack.Decoder[list[Any]]:
        python_type: Any = Any if self._type is None else self._type.python_type()
        return msgspec.msgpack.Decoder(list[python_type])

    def encode(self, values: list[Any]) -> tuple[int, bytes]:
        """The flag of the codec that was used, and the bytes. UserCodeError names the record that can't travel."""
        if self._type is not None:
            if self._is_plain and self._type.all_plain(values):
                try:
                    return MSGPACK, self._encode(values)
                except _NOT_PLAIN:
                    pass
            elif not self._type.all_fit(values):
                raise self._misfit(self._type, values)
        try:
            return PICKLE, pickle.dumps(values, _PROTOCOL)
        except Exception as error:  # noqa: BLE001  # a class may raise what it likes when it is pickled
            refused = error
        record, problem = _first_unpicklable(values, refused)  # behind the block: its error follows from no other
        refusal = serialization_error(f"a record of {self._operator} can't be pickled", problem)
        raise UserCodeError(refusal, self._operator, record) from problem

    def decode(self, flags: int, payload: Buffer) -> list[Any]:
        """The values. UserCodeError where a class of the user's can't be unpickled here."""
        if flags & MSGPACK:
            try:
                return self._decoder.decode(payload)
            except msgspec.MsgspecError as error:
                raise ExchangeError(f"rows for {self._operator} can't be read: {error}") from error
        if not flags & PICKLE:
            raise ExchangeError(f"rows for {self._operator} come by no codec that is known (flags {flags})")
        try:
            # Who sent it has proved the secret of our attempt, and runs the same user's code as we do.
            values: list[Any] = pickle.loads(payload)  # noqa: S301  # see above
        except Exception as error:  # as above
            refusal = serialization_error(f"a record for {self._operator} can't be unpickled", error)
            raise UserCodeError(refusal, self._operator) from error
        return values

    def _misfit(self, type_: TypeInformation[Any], values: Sequence[Any]) -> UserCodeError:
        for value in values:
            if (sentence := type_.check(value)) is not None:
                return UserCodeError(InvalidTypesError(sentence), self._operator, value)
        raise AssertionError(f"{type_} refuses a batch and none of its values")


def _first_unpicklable(values: Sequence[Any], error: Exception) -> tuple[object, Exception]:
    """The record, and what it raises by itself. None is known where all of them can be pickled now: an error that goes
    away may be gone at once.
    """
    for value in values:
        try:
            pickle.dumps(value, _PROTOCOL)
        except Exception as own:  # noqa: BLE001  # as above
            return value, own
    return NO_RECORD, error
