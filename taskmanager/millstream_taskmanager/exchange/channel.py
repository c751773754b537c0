"""The two ends of a channel, and the channel between two tasks of one process, which hands batches over by reference.

Nothing here decides when to send: the sender's pending list does (`pending`), as long as there is credit.
"""

from collections.abc import Callable
from typing import Protocol

from millstream_dataflow.identity import ChannelId
from millstream_dataflow.records import Element
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.credits import CreditedEnd


class SendingEnd(Protocol):
    """What a sender sees of its channel."""

    @property
    def id(self) -> ChannelId:
        """Which channel it is."""
        ...

    @property
    def credit(self) -> int:
        """How much may be sent: a batch goes out while this is above zero. Bytes, or splits."""
        ...

    @property
    def turn(self) -> int | None:
        """How many bytes the receiver takes in at a turn: as much is sent at once. None: it has taken none yet."""
        ...

    def send(self, element: Element, size: int, *, more: bool) -> None:
        """Send a batch of `size`, or a control of size 0, which spends no credit (law 4.1). `more`: further data
        follows.
        """
        ...

    def when_credited(self, action: Callable[[], None]) -> None:
        """Whom to call when credit has come while there was none."""
        ...


class ReceivingEnd(Protocol):
    """What a gate sees of a channel."""

    @property
    def id(self) -> ChannelId:
        """Which channel it is."""
        ...

    def grant(self, size: int) -> None:
        """Let the sender send so much more."""
        ...

    def pace(self, turn: int) -> None:
        """Let the sender know how many bytes are taken in at a turn."""
        ...


class Parcel:
    """A batch in its form on the wire. It is opened when its task takes it: what goes wrong then is the task's. The end
    of what a finished stage has left is one too: it looks whether all records were taken.
    """

    __slots__ = ("open", "payload", "rows")

    def __init__(self, open_: Callable[[], Element], rows: int, payload: tuple[int, Buffer] | None = None) -> None:
        """`payload`: of rows, the flags of their frame and its bytes, which say everything. None: columns, of which a
        frame is but a piece of their stream; they can be opened once, and in their order.
        """
        self.open = open_
        self.rows = rows
        self.payload = payload


class Arrival(Protocol):
    """A gate, as a channel sees it."""

    def arrive(self, channel: int, element: Element | Parcel, size: int, *, backlog: bool) -> None:
        """Take an element in; `channel` is its position in the gate."""
        ...


class LocalChannel(CreditedEnd):
    """Both ends in one process: what is granted at one is credit at the other."""

    __slots__ = ("_gate", "_position", "id", "turn")

    def __init__(self, channel: ChannelId, window: int, gate: Arrival, position: int) -> None:
        super().__init__(window)
        self.id = channel
        self.turn: int | None = None
        """See SendingEnd."""
        self._gate = gate
        self._position = position

    def send(self, element: Element, size: int, *, more: bool) -> None:
        """See SendingEnd."""
        if size:
            self.spend(size)
        self._gate.arrive(self._position, element, size, backlog=more and self.credit <= 0)

    def pace(self, turn: int) -> None:
        """See ReceivingEnd."""
        self.turn = turn
