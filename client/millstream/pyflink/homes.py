"""Where a name of PyFlink's is found: in `millstream`, or, what only PyFlink has, in a module of the facade's own."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import millstream
from millstream.pyflink.presented import NAMES, SHOWN

NOT_THERE: Final = object()

OWN: Final[Mapping[str, str]] = {
    name: module
    for module, names in {
        "millstream.connectors.files.source": "FileEnumeratorProvider FileSourceBuilder FileSplitAssignerProvider",
        "millstream.formats.encoding": "BulkWriterFactory",
        "millstream.pyflink.own.asynchronous": "AsyncFunctionDescriptor",
        "millstream.pyflink.own.checkpoint_storages": """
            CheckpointStorage FileSystemCheckpointStorage JobManagerCheckpointStorage
        """,
        "millstream.pyflink.own.choices": "DeliveryGuarantee InputDependencyConstraint",
        "millstream.pyflink.own.config_options": "ConfigOption ConfigOptions",
        "millstream.pyflink.own.csv": "CsvBulkWriters CsvReaderFormat CsvSchema CsvSchemaBuilder",
        "millstream.pyflink.own.futures": "CompletableFuture",
        "millstream.pyflink.own.instant": "Instant",
        "millstream.pyflink.own.job_id": "JobID",
        "millstream.pyflink.own.memory_size": "MemorySize",
        "millstream.pyflink.own.restart_strategies": "RestartStrategies RestartStrategyConfiguration",
        "millstream.pyflink.own.schemas": """
            ByteArraySchema DeserializationSchema RowFieldExtractorSchema SerializationSchema SimpleStringSchema
        """,
        "millstream.pyflink.own.slot_sharing_group": "SlotSharingGroup",
        "millstream.pyflink.own.state_backends": "HashMapStateBackend StateBackend",
        "millstream.pyflink.own.version": "__version__",
        "millstream.pyflink.own.watermark_strategy": "WatermarkStrategy",
        "millstream_dataflow.windows.serializers": """
            CountWindowSerializer GlobalWindowSerializer TimeWindowSerializer TypeSerializer
        """,
    }.items()
    for name in names.split()
}
"""Names that aren't in `millstream`, or mean something else there, with the module that has them."""


def found(module: str, name: str) -> object:
    """The object that PyFlink's `module.name` stands for; NOT_THERE when there is none."""
    if name not in NAMES.get(module, ()) and name not in SHOWN.get(module, ()):
        return NOT_THERE
    if name in OWN:
        return getattr(import_module(OWN[name]), name)
    return getattr(millstream, name, NOT_THERE)
