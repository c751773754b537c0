"""PyFlink's schemas: one record to bytes, and bytes to a record. No connector of this version takes one; a Source or a
Sink of yours may call `serialize` and `deserialize`.
"""

from abc import ABC, abstractmethod
from codecs import lookup
from dataclasses import dataclass
from typing import Generic, TypeVar

from millstream_dataflow.types import Row

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class SerializationSchema(ABC, Generic[T_contra]):
    """How a record becomes bytes."""

    @abstractmethod
    def serialize(self, element: T_contra) -> bytes:
        """The bytes of one."""


class DeserializationSchema(ABC, Generic[T_co]):
    """How bytes become a record."""

    @abstractmethod
    def deserialize(self, message: bytes) -> T_co:
        """The record of these."""


@dataclass(frozen=True)
class SimpleStringSchema(SerializationSchema[str], DeserializationSchema[str]):
    """Texts in a charset."""

    charset: str = "UTF-8"

    def __post_init__(self) -> None:
        """LookupError for a charset that Python doesn't know."""
        lookup(self.charset)

    def serialize(self, element: str) -> bytes:
        """UnicodeEncodeError for what the charset hasn't."""
        return element.encode(self.charset)

    def deserialize(self, message: bytes) -> str:
        """UnicodeDecodeError for what isn't in the charset."""
        return message.decode(self.charset)


@dataclass(frozen=True)
class ByteArraySchema(SerializationSchema[bytes], DeserializationSchema[bytes]):
    """Bytes as they are."""

    def serialize(self, element: bytes) -> bytes:
        """Itself."""
        return bytes(element)

    def deserialize(self, message: bytes) -> bytes:
        """Itself."""
        return bytes(message)


@dataclass(frozen=True)
class RowFieldExtractorSchema(SerializationSchema[Row]):
    """One field of a Row, which holds bytes."""

    field_index: int

    def __post_init__(self) -> None:
        """ValueError for a place that there can't be."""
        if self.field_index < 0:
            raise ValueError(f"the fields of a Row are counted from 0, but got {self.field_index}")

    def serialize(self, element: Row) -> bytes:
        """TypeError for a field that holds something else."""
        value = element[self.field_index]
        if not isinstance(value, bytes | bytearray):
            what = f"field {self.field_index} of {element!r}"
            raise TypeError(f"{what} must hold bytes, but is a {type(value).__name__}; encode it in a map before")
        return bytes(value)
