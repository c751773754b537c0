"""How a write of a record ends (law 2.1), and what else can be wrong with a store."""

from dataclasses import dataclass

from millstream_jobmanager.core.events import Outcome


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What came of a `put`; the reason is for people, and empty when it is done."""

    outcome: Outcome
    reason: str = ""


class StoreError(Exception):
    """The base of all of them."""


class StoreLockedError(StoreError):
    """Another process has the store."""


class StoreDamagedError(StoreError):
    """Files of the store can't be read; the text names them and what to do."""


class StoreWriteError(StoreError):
    """Something other than a record could not be written or deleted. `refused`: for want of room or permission."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused


class BlobMismatchError(StoreError):
    """The bytes that came aren't those that the digest names."""
