"""What a cluster has in ZooKeeper, and how it is written. All of it is small and readable by people (JSON)."""

from dataclasses import dataclass
from typing import Final

import msgspec

from millstream_dataflow.identity import Epoch, JobId

_DIGITS = 18  # of an epoch that fits into 64 bits


LEADER_KEY: Final = "millstream-leader"
"""In the trailing metadata of a standby's refusal: who leads, `host:port`."""


@dataclass(frozen=True, slots=True)
class ClusterNodes:
    """The paths of one cluster's nodes."""

    root: str
    """With the cluster's id: `/millstream/default`."""

    @property
    def leader(self) -> str:
        """Ephemeral: who leads."""
        return f"{self.root}/leader"

    @property
    def epoch(self) -> str:
        """The highest epoch that was taken."""
        return f"{self.root}/epoch"

    @property
    def jobs(self) -> str:
        """Above the pointers."""
        return f"{self.root}/jobs"

    def job(self, job: JobId) -> str:
        """The pointer to a job's record."""
        return f"{self.jobs}/{job}"


class LeaderNode(msgspec.Struct, frozen=True):
    """What stands in `leader`. Without an address it doesn't serve yet."""

    epoch: int
    address: str = ""

    @property
    def serves(self) -> bool:
        """Calls are answered there."""
        return bool(self.address)


class JobPointer(msgspec.Struct, frozen=True):
    """What stands in the node of a job."""

    version: int
    nonce: str
    file: str
    """Its record, in the job's directory of the storage."""
    size: int
    checksum: int
    """CRC-32 of the file, so that a file of another version doesn't pass for it."""
    deleting: bool = False
    """Its bytes are being deleted; then the node goes."""


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, for those who look for it."""

    epoch: Epoch
    address: str
    """`host:port`."""


class NodeError(ValueError):
    """A node holds something else than it should."""


def encode_node(node: LeaderNode | JobPointer) -> bytes:
    """As it is stored."""
    return msgspec.json.encode(node)


def decode_leader(data: bytes) -> LeaderNode:
    """NodeError when it is none."""
    try:
        return msgspec.json.decode(data, type=LeaderNode)
    except msgspec.MsgspecError as error:
        raise NodeError(f"the leader's node can't be read: {error}") from error


def decode_pointer(data: bytes) -> JobPointer:
    """NodeError when it is none."""
    try:
        return msgspec.json.decode(data, type=JobPointer)
    except msgspec.MsgspecError as error:
        raise NodeError(f"the pointer can't be read: {error}") from error


def encode_epoch(epoch: Epoch) -> bytes:
    """As digits."""
    return str(epoch).encode()


def decode_epoch(data: bytes) -> Epoch:
    """NodeError when it is none."""
    if not data.isdigit() or len(data) > _DIGITS:
        raise NodeError(f"the epoch can't be read: {data[:40]!r}")
    return Epoch(int(data))
