"""How windows become bytes, by PyFlink's names. Assigners of programs written for PyFlink name one in
`get_window_serializer`; nothing here asks for it, since windows are stored as plain values, and those of a user's own
by pickle.
"""

from __future__ import annotations

import pickle
import struct
from abc import ABC, abstractmethod
from io import BytesIO
from typing import Generic, TypeVar

from millstream_dataflow.windows.window import CountWindow, GlobalWindow, TimeWindow, Window

T = TypeVar("T")


class TypeSerializer(ABC, Generic[T]):
    """Writes values of one type to bytes, one behind another, and reads them again."""

    @abstractmethod
    def serialize(self, element: T, stream: BytesIO) -> None:
        """Write one."""

    @abstractmethod
    def deserialize(self, stream: BytesIO) -> T:
        """Read one."""


class TimeWindowSerializer(TypeSerializer[TimeWindow]):
    """16 bytes: start and end."""

    def serialize(self, element: TimeWindow, stream: BytesIO) -> None:
        """See TypeSerializer."""
        stream.write(struct.pack(">qq", element.start, element.end))

    def deserialize(self, stream: BytesIO) -> TimeWindow:
        """See TypeSerializer."""
        return TimeWindow(*struct.unpack(">qq", stream.read(16)))


class CountWindowSerializer(TypeSerializer[CountWindow]):
    """8 bytes: the window's number."""

    def serialize(self, element: CountWindow, stream: BytesIO) -> None:
        """See TypeSerializer."""
        stream.write(struct.pack(">q", element.id))

    def deserialize(self, stream: BytesIO) -> CountWindow:
        """See TypeSerializer."""
        return CountWindow(*struct.unpack(">q", stream.read(8)))


class GlobalWindowSerializer(TypeSerializer[GlobalWindow]):
    """A byte: there is one such window."""

    def serialize(self, element: GlobalWindow, stream: BytesIO) -> None:
        """See TypeSerializer."""
        stream.write(b"\0")

    def deserialize(self, stream: BytesIO) -> GlobalWindow:
        """See TypeSerializer."""
        stream.read(1)
        return GlobalWindow()


class PickledWindowSerializer(TypeSerializer[Window]):
    """Any window, by pickle: what an assigner gives that says nothing else."""

    def serialize(self, element: Window, stream: BytesIO) -> None:
        """See TypeSerializer."""
        pickle.dump(element, stream)

    def deserialize(self, stream: BytesIO) -> Window:
        """See TypeSerializer."""
        window: Window = pickle.load(stream)  # noqa: S301  # its own bytes
        return window
