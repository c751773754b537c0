"""The sources and the sink that come with the DataStream API."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa
import pytest

from millstream.connectors.collection import CollectionSource
from millstream.connectors.print_sink import PrintSink
from millstream.connectors.sequence import Numbers, NumberSequenceSource
from millstream_dataflow.connectors import Source, SplitReader
from millstream_dataflow.records import ColumnBatch, RowBatch


@dataclass
class Context:
    """Stands for a running source or sink."""

    subtask_index: int = 0
    parallelism: int = 1
    job: str = "job"
    operator: str = "operator"
    region: int = 0
    attempt: int = 1
    written: list[str] = field(default_factory=list[str])

    def now(self) -> int:
        return 0

    def current_watermark(self) -> int:
        return -(2**63)

    def write_out(self, text: str) -> None:
        self.written.append(text)

    def malformed(self, record: str, place: str, reason: str) -> None:
        raise AssertionError(record)

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        raise AssertionError("these read from memory")


def read_all(reader: SplitReader, limit: int = 2) -> list[list[object]]:
    batches: list[list[object]] = []
    for _ in range(100):
        read = reader.read(limit)
        if read.batch is not None:
            assert isinstance(read.batch, RowBatch)
            batches.append(read.batch.values)
        if read.ended:
            return batches
    raise AssertionError("it never ended")


class TestCollection:
    """`from_collection`."""

    source = CollectionSource.of(iter("abcde"))

    def test_values_come_in_order_in_batches_up_to_the_limit(self) -> None:
        reader = self.source.create_reader(Context(), 0, None)
        assert read_all(reader) == [["a", "b"], ["c", "d"], ["e"]]

    @pytest.mark.parametrize("reads", [0, 1, 2, 3])
    def test_a_restored_reader_goes_on_at_the_position(self, reads: int) -> None:
        first = self.source.create_reader(Context(), 0, None)
        for _ in range(reads):
            first.read(2)
        second = self.source.create_reader(Context(), 0, first.position())
        assert list(chain(*read_all(second))) == list("abcde")[2 * reads :]

    def test_an_empty_one_ends_at_once(self) -> None:
        read = CollectionSource.of([]).create_reader(Context(), 0, None).read(5)
        assert (read.batch, read.ended) == (None, True)

    def test_batches_are_not_the_source_s_own_list(self) -> None:
        reader = self.source.create_reader(Context(), 0, None)
        batch = reader.read(5).batch
        assert isinstance(batch, RowBatch)
        batch.values.clear()
        assert self.source.values == tuple("abcde")

    def test_there_is_one_split(self) -> None:
        assert not self.source.has_enumerator
        assert len(self.source.static_splits(7)) == 1


class TestSequence:
    """`from_sequence`."""

    @pytest.mark.parametrize("parallelism", [1, 2, 3, 7, 20])
    def test_the_splits_cover_the_numbers_once(self, parallelism: int) -> None:
        source = NumberSequenceSource(-3, 9)
        splits = source.static_splits(parallelism)
        assert len(splits) == min(parallelism, 13)
        found = [batch for split in splits for batch in read_all(source.create_reader(Context(), split, None))]
        assert list(chain(*found)) == list(range(-3, 10))
        lengths = [split.last - split.first for split in splits]
        assert max(lengths) - min(lengths) <= 1

    def test_a_restored_reader_goes_on_at_the_position(self) -> None:
        source = NumberSequenceSource(1, 5)
        reader = source.create_reader(Context(), Numbers(1, 5), None)
        reader.read(2)
        assert read_all(source.create_reader(Context(), Numbers(1, 5), reader.position())) == [[3, 4], [5]]

    def test_its_ends_have_pyflinks_names_and_stored_ones_stay_readable(self) -> None:
        source = NumberSequenceSource(start=1, end=5)
        stored = object.__new__(NumberSequenceSource)
        vars(stored).update(first=1, last=5)  # what unpickling one of an earlier version does
        assert pickle.loads(pickle.dumps(source)) == source == stored

    def test_an_empty_one_has_no_splits(self) -> None:
        assert NumberSequenceSource(5, 4).static_splits(3) == []


class TestPrint:
    """`print`, with Flink's prefixes."""

    @pytest.mark.parametrize(
        ("identifier", "parallelism", "prefix"),
        [("", 1, ""), ("", 3, "2> "), ("late", 1, "late> "), ("late", 3, "late:2> ")],
    )
    def test_the_prefix(self, identifier: str, parallelism: int, prefix: str) -> None:
        context = Context(subtask_index=1 if parallelism > 1 else 0, parallelism=parallelism)
        PrintSink(identifier).create_writer(context, ()).write(RowBatch(["a", (1, "b")]))
        assert context.written == [f"{prefix}a\n{prefix}(1, 'b')\n"]

    def test_columns_are_printed_row_by_row(self) -> None:
        context = Context()
        batch = ColumnBatch(pa.RecordBatch.from_pydict({"x": [1, 2]}))
        PrintSink().create_writer(context, ()).write(batch)
        assert context.written == ["{'x': 1}\n{'x': 2}\n"]

    def test_nothing_is_written_for_nothing(self) -> None:
        context = Context()
        PrintSink().create_writer(context, ()).write(RowBatch([]))
        assert context.written == []

    def test_it_commits_nothing(self) -> None:
        assert not PrintSink().commits_outside
        assert PrintSink().create_committer(Context()) is None


def test_workers_load_nothing_of_the_client_with_them() -> None:
    """Law 12.3: connectors travel by reference."""
    program = (
        "import sys\n"
        "from millstream.connectors import collection, print_sink, sequence\n"
        "ours = {name for name in sys.modules if name.startswith('millstream.')}\n"
        "print(sorted(ours), sorted({'grpc', 'click', 'rich', 'yaml'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    modules = [f"millstream.connectors{name}" for name in ("", ".collection", ".print_sink", ".sequence")]
    assert printed == f"{modules} []\n"


def test_sources_are_bounded() -> None:
    sources: list[Source[object]] = [CollectionSource.of([1]), NumberSequenceSource(1, 2)]  # type: ignore[list-item]  # splits differ
    assert {source.boundedness.value for source in sources} == {"bounded"}
