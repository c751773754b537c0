"""`FileSource`: which files, which splits, where a restored reader goes on, and what is malformed."""

import errno
import gzip
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import NativeFile, fs

from millstream import Boundedness, Duration, FileSource, StreamFormat
from millstream.connectors.files import reader as reader_module
from millstream.connectors.files import window as window_module
from millstream.connectors.files.reader import FileReader, MalformedLineError, Position, ReaderSettings
from millstream.connectors.files.splits import FileSplit
from millstream.connectors.files.streams import DamagedFileError
from millstream.formats.lines import FormatError
from millstream.formats.stream_format import TextLineFormat
from millstream_dataflow.connectors import Read
from millstream_dataflow.errors import NonRecoverableError
from millstream_taskmanager.user_code.errors import ConnectorCode, UserCodeError
from tests.unit.client.connectors.surroundings import Around, read_all, records, splits_of, steps

TEXT = "one\ntwo\r\n\nfour, a longer one\nfünf\nsix"
LINES = ["one", "two", "", "four, a longer one", "fünf", "six"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "input.txt"
    path.write_bytes(TEXT.encode())
    return path


class TestFiles:
    """Which files a path names."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in (
            "b.csv",
            "a.csv",
            "c.txt",
            ".hidden.csv",
            "_writing.csv",
            "deep/er/d.csv",
            ".not/e.csv",
            "x[1].csv",
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("line\n")
        (tmp_path / "empty.csv").touch()
        return tmp_path

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("", ["a.csv", "b.csv", "c.txt", "d.csv", "x[1].csv"]),
            ("*.csv", ["a.csv", "b.csv", "x[1].csv"]),
            ("**/*.csv", ["a.csv", "b.csv", "d.csv", "x[1].csv"]),
            ("[!a].csv", ["b.csv"]),
            ("?.txt", ["c.txt"]),
            ("d*/*/*", ["d.csv"]),
            ("x[1].csv", ["x[1].csv"]),
            ("_writing.csv", ["_writing.csv"]),
        ],
    )
    def test_a_path_is_a_file_a_directory_or_a_pattern(self, folder: Path, pattern: str, names: list[str]) -> None:
        found = splits_of(FileSource.text(folder / pattern))
        assert [Path(split.path).name for split in found] == names

    def test_a_uri_names_the_same(self, folder: Path) -> None:
        for path in (f"file://{folder}", f"file://{folder}/*.csv"):
            assert len(read_all(FileSource.text(path))) == {True: 3, False: 5}["*" in path]

    @pytest.mark.parametrize("path", ["missing.csv", "*.nothing", "missing/*.csv"])
    def test_what_names_nothing_is_an_error(self, folder: Path, path: str) -> None:
        with pytest.raises(FileNotFoundError, match=r"missing|nothing"):
            splits_of(FileSource.text(folder / path))

    def test_a_file_system_that_nobody_serves_is_named(self) -> None:
        with pytest.raises(OSError, match="gopher://there/file"):
            splits_of(FileSource.text("gopher://there/file"))

    def test_relative_paths_are_those_of_the_program(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(file.parent)
        source = FileSource.text(["input.txt"])
        monkeypatch.chdir("/")
        assert read_all(source) == LINES

    def test_a_monitored_directory_gives_each_file_once(self, folder: Path) -> None:
        source = FileSource.text(folder / "*.csv").monitored(Duration.of_seconds(3))
        assert (source.boundedness, source.discovery_interval) == (Boundedness.CONTINUOUS_UNBOUNDED, 3_000)
        first = source.create_enumerator(Around(), None)
        assert len(first.discover()) == 3
        (folder / "late.csv").write_text("x")
        (folder / "empty.csv").write_text("no longer\n")
        second = source.create_enumerator(Around(), pickle.loads(pickle.dumps(first.snapshot())))
        assert [Path(split.path).name for split in second.discover()] == ["empty.csv", "late.csv"]
        assert second.discover() == []

    def test_a_monitored_path_may_come(self, tmp_path: Path) -> None:
        enumerator = FileSource.text(tmp_path / "soon/*").monitored(1).create_enumerator(Around(), None)
        assert enumerator.discover() == []
        (tmp_path / "soon").mkdir()
        (tmp_path / "soon/x").write_text("x")
        assert len(enumerator.discover()) == 1

    def test_pyflinks_builder_makes_the_same(self, file: Path) -> None:
        builder = FileSource.for_record_stream_format(StreamFormat.text_line_format(), file)
        assert builder.build() == FileSource.text(file)
        assert builder.monitor_continuously(Duration.of_seconds(1)).build() == FileSource.text(file).monitored(1_000)
        assert builder.process_static_file_set().build() == FileSource.text(file)

    def test_it_travels_by_reference(self, file: Path) -> None:
        source = FileSource.csv(file, {"a": int | None})
        assert pickle.loads(pickle.dumps(source)) == source


class TestSplits:
    """Every line is in exactly one split, wherever its borders are."""

    def test_at_every_byte(self, file: Path) -> None:
        source, size = FileSource.text(file), len(TEXT.encode())
        for border in range(size + 1):
            found: list[object] = []
            for start, end in ((0, border), (border, size)):
                if start < end:
                    split = FileSplit(str(file), str(file), start, end, size)
                    found += [line for lines, _ in steps(source, split, Around(), 2) for line in lines]
            assert found == LINES, border

    @pytest.mark.parametrize("least", [1, 2, 5, 13, 1_000])
    def test_of_any_size(self, file: Path, least: int) -> None:
        source = FileSource.text(file, min_split_bytes=least)
        assert len(splits_of(source)) == max(1, len(TEXT.encode()) // least)
        assert read_all(source) == LINES

    def test_there_are_no_more_than_asked_for(self, file: Path) -> None:
        source = FileSource.text(file, splits=3, min_split_bytes=1)
        assert [split.start for split in splits_of(source)] == [0, 12, 25]
        assert len(splits_of(FileSource.text(file, splits=1, min_split_bytes=1))) == 1

    def test_the_header_belongs_to_none(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("a_long_header,b\n1,2\n3,4\n")
        assert read_all(FileSource.csv(path, min_split_bytes=1)) == [("1", "2"), ("3", "4")]

    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=9)), st.integers(1, 20))
    def test_any_text_comes_back(self, tmp_path_factory: pytest.TempPathFactory, lines: list[str], least: int) -> None:
        path = tmp_path_factory.mktemp("any") / "text"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        wanted = lines
        if lines and lines[0].startswith("\ufeff"):
            wanted = [lines[0][1:], *lines[1:]]
        assert read_all(FileSource.text(path, min_split_bytes=least), limit=3) == wanted


class TestPositions:
    """A restored reader goes on exactly where the former one stopped."""

    @pytest.mark.parametrize("suffix", ["txt", "txt.gz"])
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_at_every_batch(self, tmp_path: Path, suffix: str, limit: int) -> None:
        path = tmp_path / f"input.{suffix}"
        path.write_bytes(gzip.compress(TEXT.encode()) if suffix.endswith("gz") else TEXT.encode())
        source = FileSource.text(path)
        [split] = splits_of(source)
        whole = list(steps(source, split, Around(), limit))
        for number, (_, position) in enumerate(whole):
            stored = pickle.loads(pickle.dumps(position))
            rest = list(steps(source, split, Around(), limit, stored))
            assert [found for found, _ in rest if found] == [found for found, _ in whole[number + 1 :] if found]

    def test_batches_are_cut_by_bytes_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader_module, "_TARGET", 10)
        path = tmp_path / "x"
        path.write_text("aaa\nbbb\nccc\nand a line that is longer than a batch\nd\n")
        [split] = splits_of(FileSource.text(path))
        found = [lines for lines, _ in steps(FileSource.text(path), split, Around(), 100) if lines]
        assert found == [["aaa", "bbb"], ["ccc"], ["and a line that is longer than a batch"], ["d"]]

    def test_a_long_way_back_into_gzip_is_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(b"some line\n" * 200_000))
        source = FileSource.text(path)
        [split] = splits_of(source)
        batches = (step for step in steps(source, split, Around(), 8_192) if step[0])
        *_, (_, position) = islice(batches, 20)
        around = Around()
        rest = list(steps(source, split, around, 8_192, position))
        assert sum(len(lines) for lines, _ in rest) == 200_000 - 20 * 8_192
        assert rest[:2] == [([], position)] * 2, "its header, then the way; it keeps its position"

    def test_what_is_appended_after_the_discovery_is_not_read(self, file: Path) -> None:
        source = FileSource.text(file)
        splits = splits_of(source)
        with file.open("a") as appended:
            appended.write(" hundred\nseven\n")
        assert [line for lines, _ in steps(source, splits[0], Around(), 9) for line in lines] == LINES

    def test_a_file_that_became_shorter_is_an_error(self, file: Path) -> None:
        source = FileSource.text(file)
        [split] = splits_of(source)
        os.truncate(file, 5)
        with pytest.raises(DamagedFileError, match=r"input.txt: the file ends at byte 5, but had"):
            list(steps(source, split, Around(), 9))


class TestFetching:
    """What may block is done in a thread, ahead of the reader, which never waits itself."""

    @pytest.fixture
    def opened(self, file: Path) -> Callable[[], int]:
        """How many descriptors are open on the file."""

        def count() -> int:
            descriptors = Path("/proc/self/fd").iterdir()
            return sum(os.path.realpath(descriptor) == str(file) for descriptor in descriptors)

        return count

    def reader(self, file: Path, around: Around, *, start: int = 0) -> FileReader:
        size = file.stat().st_size
        split = FileSplit(str(file), str(file), start, size, size)
        return FileReader(around, split, None, ReaderSettings(TextLineFormat(), fails=False, longest=1_000))

    def test_a_reader_says_that_it_waits_until_its_bytes_are_there(self, file: Path) -> None:
        around = Around()
        reader = self.reader(file, around)
        assert [reader.read(9), reader.read(9)] == [Read(waits=True)] * 2
        assert (reader.position(), len(around.jobs)) == (None, 1), "one job at a time, begun when it was made"
        around.work()
        assert records(reader.read(9).batch) == LINES
        assert reader.position() == (len(TEXT.encode()), len(LINES), False)
        reader.close()
        around.work()
        assert not around.jobs

    def test_the_next_bytes_are_fetched_while_a_batch_goes_its_way(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader_module, "_TARGET", 1_000)
        monkeypatch.setattr(reader_module, "_HEADER", 1)
        monkeypatch.setattr(window_module, "_LEAST", 1)
        path = tmp_path / "input.txt"
        path.write_bytes(b"three\n" * 1_000)
        around = Around()
        reader = self.reader(path, around)
        while (read := reader.read(8_192)).waits:
            around.work()
        assert len(records(read.batch)) == 1_000 // len("three\n")
        assert len(around.jobs) == 1
        place = reader.position()
        assert reader.read(8_192).waits
        assert reader.position() == place, "whatever is under way"
        around.work()
        assert len(records(reader.read(8_192).batch)) == 1_000 // len("three\n")
        reader.close()

    def test_one_that_was_closed_before_its_turn_opens_nothing(self, file: Path, opened: Callable[[], int]) -> None:
        around = Around()
        self.reader(file, around).close()
        around.work()
        assert (opened(), len(around.jobs)) == (0, 0)

    @pytest.mark.parametrize("error", [None, OSError("it broke meanwhile")])
    def test_one_that_is_closed_meanwhile_lets_go_behind(
        self, file: Path, opened: Callable[[], int], error: Exception | None
    ) -> None:
        around = Around()
        reader = self.reader(file, around)
        job, then = around.jobs.popleft()
        job()
        reader.close()
        assert (opened(), len(around.jobs)) == (1, 0), "the file belongs to the job, and nobody waits for that"
        then(error)
        around.work()
        assert (opened(), len(around.jobs)) == (0, 0)

    def test_one_that_is_closed_while_lines_are_counted_lets_go(self, file: Path, opened: Callable[[], int]) -> None:
        file.write_bytes(b"one\n" * 10 + b"\xff\n")
        around = Around()
        reader = self.reader(file, around, start=20)
        around.work()
        assert reader.read(9).waits, "the file is at hand, but not the number of the bad line"
        count, told = around.jobs.popleft()
        reader.close()
        count()
        told(None)
        while around.jobs:
            around.work()
        assert opened() == 0

    @pytest.mark.parametrize("name", ["gone.txt", "gone.txt.gz"])
    def test_a_file_that_is_gone_is_named(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(gzip.compress(TEXT.encode()))
        [split] = splits_of(FileSource.text(path))
        path.unlink()
        with pytest.raises(FileNotFoundError, match=name):
            list(steps(FileSource.text(path), split, Around(), 9))

    def test_a_file_that_may_not_be_read_is_named(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By a file system of its own, since root may read everything."""

        class Locked(fs.LocalFileSystem):
            def open_input_file(self, path: str) -> NativeFile:
                raise PermissionError(errno.EACCES, "Permission denied", path)

        monkeypatch.setattr(reader_module, "file_system", lambda path: (Locked(), path))
        with pytest.raises(PermissionError, match=r"Permission denied: '.*input.txt'"):
            read_all(FileSource.text(file))

    def test_it_stays_an_error_however_often_it_is_asked(self, file: Path) -> None:
        around = Around()
        reader = self.reader(file, around)
        file.unlink()
        around.work()
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match=r"input\.txt"):
                reader.read(9)
        reader.close()
        assert not around.jobs, "there is nothing to close, nor to try again"

    @pytest.mark.parametrize("size", [(1 << 16) - 1, 1 << 16, (1 << 18) - 1, 1 << 18, 1 << 20, (1 << 20) + 1])
    def test_the_end_is_found_wherever_it_lies(self, tmp_path: Path, size: int) -> None:
        for suffix in ("txt", "txt.gz"):
            path = tmp_path / f"input.{suffix}"
            data = (b"x" * 63 + b"\n") * (size // 64) + b"y" * (size % 64)
            path.write_bytes(gzip.compress(data, 1) if suffix == "txt.gz" else data)
            assert [str(line).encode() for line in read_all(FileSource.text(path))] == data.splitlines()


class TestGzip:
    """What ends in .gz."""

    def source(self, folder: Path, data: bytes) -> FileSource:
        path = folder / "x.gz"
        path.write_bytes(data)
        return FileSource.text(path, min_split_bytes=1)

    def test_it_is_one_split_of_any_number_of_members(self, tmp_path: Path) -> None:
        data = gzip.compress(b"one\ntw") + gzip.compress(b"") + gzip.compress(b"o\nthree") + b"\0" * 512
        source = self.source(tmp_path, data)
        assert len(splits_of(source)) == 1
        assert read_all(source) == ["one", "two", "three"]

    def test_damage_is_final(self) -> None:
        """Whoever reads the file again comes as far; one that isn't there may come back."""
        damaged = DamagedFileError(errno.EIO, "it breaks off", "x.gz")
        assert isinstance(damaged, NonRecoverableError)
        with pytest.raises(UserCodeError) as caught, ConnectorCode("Source"):
            raise damaged
        assert not caught.value.failure().restartable
        with pytest.raises(UserCodeError) as caught, ConnectorCode("Source"):
            raise FileNotFoundError("x.gz")
        assert caught.value.failure().restartable

    def test_one_that_breaks_off_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        whole = gzip.compress(os.urandom(3_000).hex().encode() + b"\n")
        for length in (1, 9, 30, len(whole) - 1):
            with pytest.raises(DamagedFileError, match=r"x\.gz: the gzip file breaks off"):
                read_all(self.source(tmp_path, whole[:length]))

    @pytest.mark.parametrize("data", [b"no gzip\n", gzip.compress(b"one\n", mtime=0) + b"rubbish"])
    def test_rubbish_is_an_error_that_names_it(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(DamagedFileError, match=r"x\.gz: the gzip file is damaged"):
            read_all(self.source(tmp_path, data))

    def test_one_that_was_put_in_the_place_of_a_longer_one_is_an_error(self, tmp_path: Path) -> None:
        source = self.source(tmp_path, gzip.compress(b"one\n", mtime=0))
        [split] = splits_of(source)
        with pytest.raises(DamagedFileError, match=r"the file has 4 bytes, but was read up to 9 before"):
            list(steps(source, split, Around(), 9, (9, 3, False)))


class TestMalformed:
    """A line that can't be read is counted and shown with its number."""

    DATA = b"one\n\xff\xfe\nthree\nfo\xc3\nfive\n\x80"

    def test_the_number_is_right_after_a_restore(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(self.DATA)
        source = FileSource.text(path)
        [split] = splits_of(source)
        good, bad = {0: "one", 7: "three", 17: "five"}, {4: 2, 13: 4, 22: 6}  # by the offset of the line
        for _, position in steps(source, split, Around(), 1):
            offset, around = cast("Position", position or (0, 1, False))[0], Around()
            rest = [line for lines, _ in steps(source, split, around, 1, position) for line in lines]
            assert rest == [line for start, line in good.items() if start >= offset]
            assert around.numbers() == [number for start, number in bad.items() if start >= offset]

    def test_the_number_is_right_in_every_split(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(window_module, "_COUNTED", 3)
        path = tmp_path / "x"
        path.write_bytes(self.DATA)
        for least in range(1, len(self.DATA)):
            around = Around()
            assert read_all(FileSource.text(path, min_split_bytes=least), around, 2) == ["one", "three", "five"]
            assert around.numbers() == [2, 4, 6], least

    def test_the_line_is_shown_with_its_file_and_the_reason(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(b"fo\xffo\n")
        around = Around()
        read_all(FileSource.text(path), around)
        assert around.bad == [("fo\\xffo", f"{path}:1", "it is not UTF-8: byte 3 of it, invalid start byte")]

    def test_it_fails_where_that_was_asked_for(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(self.DATA)
        with pytest.raises(MalformedLineError, match=rf"{path}:2: it is not UTF-8"):
            read_all(FileSource.text(path, on_error="fail"))

    def test_a_line_without_end_is_skipped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader_module, "_TARGET", 500)
        path = tmp_path / "x"
        path.write_bytes(b"one\n" + b"x" * 5_000 + b"\nthree\n" + b"\xff\n" + b"y" * 3_000)
        around = Around()
        size = path.stat().st_size
        split = FileSplit(str(path), str(path), 0, size, size)
        settings_ = ReaderSettings(TextLineFormat(), fails=False, longest=1_000)
        found: list[object] = []
        position = None
        for _ in range(1_000):  # a new reader for every read, as if each was followed by a failure
            reader = FileReader(around, split, position, settings_)
            while (read := reader.read(1)).waits:
                around.work()
            position = reader.position()
            reader.close()
            found += [] if read.batch is None else read.batch.values  # type: ignore[union-attr]  # text is rows
            if read.ended:
                break
        assert (found, around.numbers()) == (["one", "three"], [2, 4, 5])
        assert around.bad[0][2] == "it has over 1000 bytes"
        assert len(around.bad[0][0]) == 1_000

    def test_a_header_that_lacks_a_column_names_file_and_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("a,b,b\n1,2,3\n")
        for column, reason in (("c", "not in its header, which is a, b, b"), ("b", "twice in its header")):
            with pytest.raises(FormatError, match=rf"{path} can't be read: column '{column}' is {reason}"):
                read_all(FileSource.csv(path, [column]))

    def test_a_file_of_one_endless_line_has_no_header(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("x" * 100_000)
        with pytest.raises(FormatError, match="no header"):
            read_all(FileSource.csv(path))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({"splits": 0}, "at least 1 split"), ({"min_split_bytes": 0}, "1 byte"), ({"on_error": "panic"}, "on_error is")],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FileSource.text("x", **arguments)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(ValueError, match="at least one path"):
        FileSource.text([])
    with pytest.raises(ValueError, match="at least 1 ms"):
        FileSource.text("x").monitored(0)


def test_workers_load_nothing_of_the_client_with_files() -> None:
    """Law 12.3: connectors travel by reference."""
    program = (
        "import sys\n"
        "from millstream.connectors.files import sink, source\n"
        "ours = {name for name in sys.modules if name.startswith('millstream.')}\n"
        "foreign = {name for name in ours if not name.startswith(('millstream.connectors', 'millstream.formats'))}\n"
        "print(sorted(foreign), sorted({'grpc', 'click', 'rich', 'yaml', 'millstream_taskmanager'} & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert printed == "[] []\n"
