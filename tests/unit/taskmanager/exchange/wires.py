"""What tests of connected workers do: begin, send through a channel, collect what arrives, let time pass."""

from collections.abc import Callable

from millstream_dataflow.records import ColumnBatch, Control, Element, RowBatch
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.worker.scheduler import Delays
from tests.support.wire import WireLoop, WireWorker, drain


class SteppedLoop(WireLoop):
    """By its clock a turn takes a millisecond, whatever it takes by ours: nobody waits for a limit of time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.delays = Delays(lambda: self.now)

    def turn(self, timeout: float = 0) -> None:
        """Once around, without a pause."""
        self.now += 1
        super().turn(0)


def begin(*workers: WireWorker) -> None:
    for one in workers:
        one.begin()


def collect(loop: WireLoop, gate: Gate, enough: Callable[[list[Element]], object]) -> list[Element]:
    """What arrives until it is enough."""
    found: list[Element] = []

    def take() -> bool:
        found.extend(drain(gate))
        return bool(enough(found))

    loop.until(take)
    return found


def send(pending: PendingList, *elements: RowBatch | ColumnBatch | Control) -> None:
    for element in elements:
        if isinstance(element, RowBatch | ColumnBatch):
            pending.add(element, 1, 0)
            pending.flush(more=True)
        else:
            pending.add_control(element, 0)
    pending.flush(more=False)
