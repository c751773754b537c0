"""What stands around a source or a sink in these tests, and how a source is read to its end."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from millstream.connectors.files.reader import FileReader
from millstream.connectors.files.source import FileSource
from millstream.connectors.files.splits import FileSplit
from millstream_dataflow.records import Batch, ColumnBatch


@dataclass
class Around:
    """A running source or sink as it sees its task."""

    subtask_index: int = 0
    parallelism: int = 1
    job: str = "0123456789abcdef0123456789abcdef"
    operator: str = "fedcba9876543210fedcba9876543210"
    region: int = 0
    attempt: int = 1
    bad: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    jobs: deque[tuple[Callable[[], None], Callable[[Exception | None], None]]] = field(default_factory=deque)
    """What a thread is to do and nobody has begun, each with who is told then."""

    def now(self) -> int:
        return 7

    def current_watermark(self) -> int:
        return -(2**63)

    def write_out(self, text: str) -> None:
        raise AssertionError(text)

    def malformed(self, record: str, place: str, reason: str) -> None:
        self.bad.append((record, place, reason))

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        self.jobs.append((job, then))

    def work(self) -> None:
        """The next job."""
        job, then = self.jobs.popleft()
        try:
            job()
        except Exception as error:  # noqa: BLE001  # any file system's
            then(error)
        else:
            then(None)

    def numbers(self) -> list[int]:
        """The lines of what was malformed."""
        return [int(place.rpartition(":")[2]) for _, place, _ in self.bad]


def splits_of(source: FileSource) -> list[FileSplit]:
    return list(source.create_enumerator(Around(), None).discover())


def records(batch: Batch | None) -> list[object]:
    """Rows as tuples, text as it is."""
    if batch is None:
        return []
    if isinstance(batch, ColumnBatch):
        return [tuple(row.values()) for row in batch.columns.to_pylist()]
    return batch.values


def steps(
    source: FileSource, split: FileSplit, around: Around, limit: int, position: object = None
) -> Iterator[tuple[list[object], object]]:
    """Each read of a split: its records, and the position behind it. A job is done only when it is waited for."""
    reader = source.create_reader(around, split, position)  # type: ignore[arg-type]  # what a reader gave
    assert isinstance(reader, FileReader)
    try:
        for _ in range(100_000):
            read = reader.read(limit)
            assert read.batch is None or len(read.batch), "an empty batch is no batch"
            yield records(read.batch), reader.position()
            if read.ended:
                return
            if read.waits:
                around.work()
            else:
                assert read.batch is not None or read.ready_at is not None, "it would wait for nothing"
        raise AssertionError("it never ended")
    finally:
        reader.close()
        while around.jobs:
            around.work()


def read_all(source: FileSource, around: Around | None = None, limit: int = 8_192) -> list[object]:
    """Everything, split after split."""
    around = around or Around()
    return [
        record for split in splits_of(source) for found, _ in steps(source, split, around, limit) for record in found
    ]
