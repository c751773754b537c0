"""Why a module or a name of PyFlink's isn't there, and what to use instead: what a program is told that imports one,
and what docs/pyflink.md says.

Nearer ones count: a name before the module that it is from, a module before the package that it is in. What is written
here about a name that is there fails a test.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Final

from millstream.datastream.absent import (
    OF_CHECKPOINT_CONFIGS,
    OF_ENVIRONMENTS,
    OF_EXECUTION_CONFIGS,
    OF_KEYED_STREAMS,
    OF_STREAMS,
    Absent,
)
from millstream.pyflink.homes import found
from millstream.pyflink.presented import NAMES
from millstream_dataflow.not_there import NotThere

_NO_JAVA: Final = "it stands for a Java class, and no Java runs here"
_NO_CONNECTOR: Final = "this version has no connector for that; write a Source or a Sink (from_source, sink_to)"
_CONNECTORS: Final = "cassandra dynamic_kafka elasticsearch jdbc kafka kinesis pulsar rabbitmq"
_NO_FORMAT: Final = "this version has no such format"
_DECODE: Final = "nothing here takes a schema for bytes; decode and encode records in a function (map)"
_WHOLE_FILES: Final = "part files stay as they were written; merge them by another program"
_NO_ROCKSDB: Final = "state lies in memory (hashmap), the only backend; leave it out"

REASONS: Final[Mapping[str, str]] = {
    "pyflink.table": "this version has no Table API and no SQL; use the DataStream API",
    "pyflink.fn_execution": "it is the inside of PyFlink's workers; ours need none of it",
    "pyflink.java_gateway": "no Java runs here",
    "pyflink.util": "no Java runs here",
    **{f"pyflink.datastream.connectors.{name}": _NO_CONNECTOR for name in _CONNECTORS.split()},
    "pyflink.datastream.connectors.hybrid_source": "sources don't follow one another; read them by two jobs, "
    "or at once (union)",
    "pyflink.datastream.formats.avro": f"{_NO_FORMAT}; read and write Avro in a function, with a library for it",
    "pyflink.datastream.formats.orc": f"{_NO_FORMAT}; write CSV or text (FileSink)",
    "pyflink.datastream.formats.parquet": f"{_NO_FORMAT}; write CSV or text (FileSink)",
    # By name, in whatever modules it is.
    "AssignerWithPeriodicWatermarksWrapper": "take a generator in Python: WatermarkStrategy.for_generator(...)",
    "AvroRowDeserializationSchema": _DECODE,
    "AvroRowSerializationSchema": _DECODE,
    "BulkFormat": "columns are read by FileSource.csv(...)",
    "CsvRowDeserializationSchema": "FileSource.csv(...) reads CSV; decode other text in a function (map)",
    "CsvRowSerializationSchema": "FileSink.csv(...) writes CSV; encode other text in a function (map)",
    "CustomCheckpointStorage": _NO_JAVA,
    "CustomStateBackend": _NO_JAVA,
    "EmbeddedRocksDBStateBackend": _NO_ROCKSDB,
    "FileCompactStrategy": _WHOLE_FILES,
    "FileCompactor": _WHOLE_FILES,
    "GenericRecordAvroTypeInfo": f"{_NO_FORMAT}; declare Types.PICKLED_BYTE_ARRAY()",
    "InputFormat": "use a Source: FileSource, or one of your own (from_source)",
    "JsonRowDeserializationSchema": f"{_DECODE}, with json.loads",
    "JsonRowSerializationSchema": f"{_DECODE}, with json.dumps",
    "PredefinedOptions": _NO_ROCKSDB,
    "SinkFunction": "it wraps a function of Java's; use sink_to with a Sink",
    "SourceFunction": "it wraps a function of Java's; use from_source with a Source",
    "StreamTransformer": "it is for sinks in Java; write the steps ahead of sink_to",
    "StreamingFileSink": "Flink itself has given it up; use FileSink",
    "SupportsPreprocessing": "it is for sinks in Java; write the steps ahead of sink_to",
    "JobStatus.SUSPENDED": "a job whose JobManager is lost is RECONCILING when another one has found it",
}
"""By module, by name, or by `Name.member`."""

OF_CLASSES: Final[Mapping[str, Absent]] = {
    "CheckpointConfig": OF_CHECKPOINT_CONFIGS,
    "DataStream": OF_STREAMS,
    "ExecutionConfig": OF_EXECUTION_CONFIGS,
    "KeyedStream": OF_KEYED_STREAMS,
    "StreamExecutionEnvironment": OF_ENVIRONMENTS,
}
"""Classes that say what they don't have by a table; others say it by a NotThere each."""


def reason(module: str, name: str = "") -> str:
    """Why it isn't there; empty where there is nothing to say. `name` may have members behind it: `Class.member`."""
    part, (first, _, member) = name, name.partition(".")
    while part:
        if part in REASONS:
            return REASONS[part]
        part = part.rpartition(".")[0]
    if member:
        words = _of_member(found(module, first), member.split("."), OF_CLASSES.get(first, {}))
        if words:
            return words
    place = origin(module, first)
    while place:
        if place in REASONS:
            return REASONS[place]
        place = place.rpartition(".")[0]
    return ""


def _of_member(value: object, members: Sequence[str], absent: Absent) -> str:
    """What its class says of the first that isn't there."""
    for member in members:
        own = inspect.getattr_static(value, member, None)
        if isinstance(own, NotThere):
            return own.instead
        if own is None:
            return absent.get(member, "")
        value = getattr(value, member)
    return ""


def origin(module: str, name: str) -> str:
    """The module that a name is from: packages show those of their modules too."""
    within = [other for other in NAMES if other.startswith(f"{module}.") and name in NAMES[other]]
    return max(within, key=len, default=module)
