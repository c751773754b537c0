"""What TaskManagers fetch by digest: deployments and restores from memory, everything else from the store."""

from dataclasses import dataclass, field

from millstream_dataflow.identity import Digest, JobId, RegionId
from millstream_jobmanager.core.commands import PublishBlob

CHUNK = 128 << 10
"""Bytes of one chunk; far below the limit of a stream's message, and measured no slower than larger ones."""


@dataclass(slots=True)
class _Published:
    attempt: int
    blobs: dict[Digest, bytes] = field(default_factory=dict[Digest, bytes])


class PublishedBlobs:
    """Bytes that the core made for workers of running attempts. A region's newer attempt replaces its older one's, so
    a job that restarts for ever holds no more than one attempt of each region.
    """

    def __init__(self) -> None:
        self._regions: dict[tuple[JobId, RegionId], _Published] = {}

    def publish(self, command: PublishBlob) -> None:
        """Serve these bytes."""
        attempt = command.attempt
        held = self._regions.get((attempt.job, attempt.region))
        if held is None or held.attempt < attempt.number:
            held = self._regions[attempt.job, attempt.region] = _Published(attempt.number)
        held.blobs[command.digest] = command.data

    def job_ended(self, job: JobId) -> None:
        """Nobody needs them any more."""
        self._regions = {key: held for key, held in self._regions.items() if key[0] != job}

    def find(self, digest: Digest) -> bytes | None:
        """The bytes of a digest, if some attempt published them."""
        return next((held.blobs[digest] for held in self._regions.values() if digest in held.blobs), None)
