from millstream_proto import controls_pb2 as _controls_pb2
from millstream_proto import identity_pb2 as _identity_pb2
from millstream_proto import job_graph_pb2 as _job_graph_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Redistribution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REDISTRIBUTION_UNSPECIFIED: _ClassVar[Redistribution]
    REDISTRIBUTION_SPLIT: _ClassVar[Redistribution]
    REDISTRIBUTION_UNION: _ClassVar[Redistribution]
    REDISTRIBUTION_BROADCAST: _ClassVar[Redistribution]
REDISTRIBUTION_UNSPECIFIED: Redistribution
REDISTRIBUTION_SPLIT: Redistribution
REDISTRIBUTION_UNION: Redistribution
REDISTRIBUTION_BROADCAST: Redistribution

class FileRef(_message.Message):
    __slots__ = ("path", "size", "checksum")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    path: str
    size: int
    checksum: int
    def __init__(self, path: _Optional[str] = ..., size: _Optional[int] = ..., checksum: _Optional[int] = ...) -> None: ...

class InlineBytes(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ListState(_message.Message):
    __slots__ = ("name", "redistribution", "items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REDISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    redistribution: Redistribution
    items: int
    def __init__(self, name: _Optional[str] = ..., redistribution: _Optional[_Union[Redistribution, str]] = ..., items: _Optional[int] = ...) -> None: ...

class OperatorSnapshot(_message.Message):
    __slots__ = ("operator", "first_group", "end_group", "lists")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    FIRST_GROUP_FIELD_NUMBER: _ClassVar[int]
    END_GROUP_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    operator: str
    first_group: int
    end_group: int
    lists: _containers.RepeatedCompositeFieldContainer[ListState]
    def __init__(self, operator: _Optional[str] = ..., first_group: _Optional[int] = ..., end_group: _Optional[int] = ..., lists: _Optional[_Iterable[_Union[ListState, _Mapping]]] = ...) -> None: ...

class ChannelCount(_message.Message):
    __slots__ = ("channel", "records", "in_flight", "restored")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    channel: _identity_pb2.ChannelId
    records: int
    in_flight: int
    restored: int
    def __init__(self, channel: _Optional[_Union[_identity_pb2.ChannelId, _Mapping]] = ..., records: _Optional[int] = ..., in_flight: _Optional[int] = ..., restored: _Optional[int] = ...) -> None: ...

class OperatorCount(_message.Message):
    __slots__ = ("operator", "received", "processed", "late", "skipped", "quarantined", "held", "committed")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    operator: str
    received: int
    processed: int
    late: int
    skipped: int
    quarantined: int
    held: int
    committed: int
    def __init__(self, operator: _Optional[str] = ..., received: _Optional[int] = ..., processed: _Optional[int] = ..., late: _Optional[int] = ..., skipped: _Optional[int] = ..., quarantined: _Optional[int] = ..., held: _Optional[int] = ..., committed: _Optional[int] = ...) -> None: ...

class AuditCounts(_message.Message):
    __slots__ = ("sent", "received", "operators")
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    OPERATORS_FIELD_NUMBER: _ClassVar[int]
    sent: _containers.RepeatedCompositeFieldContainer[ChannelCount]
    received: _containers.RepeatedCompositeFieldContainer[ChannelCount]
    operators: _containers.RepeatedCompositeFieldContainer[OperatorCount]
    def __init__(self, sent: _Optional[_Iterable[_Union[ChannelCount, _Mapping]]] = ..., received: _Optional[_Iterable[_Union[ChannelCount, _Mapping]]] = ..., operators: _Optional[_Iterable[_Union[OperatorCount, _Mapping]]] = ...) -> None: ...

class AlignmentStats(_message.Message):
    __slots__ = ("alignment_duration", "persisted_data", "unaligned")
    ALIGNMENT_DURATION_FIELD_NUMBER: _ClassVar[int]
    PERSISTED_DATA_FIELD_NUMBER: _ClassVar[int]
    UNALIGNED_FIELD_NUMBER: _ClassVar[int]
    alignment_duration: int
    persisted_data: int
    unaligned: bool
    def __init__(self, alignment_duration: _Optional[int] = ..., persisted_data: _Optional[int] = ..., unaligned: _Optional[bool] = ...) -> None: ...

class TaskSnapshot(_message.Message):
    __slots__ = ("handle_file_ref", "handle_inline_bytes", "operators", "audit", "finished", "alignment")
    HANDLE_FILE_REF_FIELD_NUMBER: _ClassVar[int]
    HANDLE_INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPERATORS_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    handle_file_ref: FileRef
    handle_inline_bytes: InlineBytes
    operators: _containers.RepeatedCompositeFieldContainer[OperatorSnapshot]
    audit: AuditCounts
    finished: bool
    alignment: AlignmentStats
    def __init__(self, handle_file_ref: _Optional[_Union[FileRef, _Mapping]] = ..., handle_inline_bytes: _Optional[_Union[InlineBytes, _Mapping]] = ..., operators: _Optional[_Iterable[_Union[OperatorSnapshot, _Mapping]]] = ..., audit: _Optional[_Union[AuditCounts, _Mapping]] = ..., finished: _Optional[bool] = ..., alignment: _Optional[_Union[AlignmentStats, _Mapping]] = ...) -> None: ...

class StoredTask(_message.Message):
    __slots__ = ("task", "parallelism", "max_parallelism", "snapshot")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    parallelism: int
    max_parallelism: int
    snapshot: TaskSnapshot
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., parallelism: _Optional[int] = ..., max_parallelism: _Optional[int] = ..., snapshot: _Optional[_Union[TaskSnapshot, _Mapping]] = ...) -> None: ...

class CheckpointMetadata(_message.Message):
    __slots__ = ("job", "job_name", "epoch", "checkpoint", "kind", "completed_at", "tasks", "operator_names", "versions", "format", "key_hash", "edges")
    class OperatorNamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_NAME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_NAMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    KEY_HASH_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    job: str
    job_name: str
    epoch: int
    checkpoint: int
    kind: _controls_pb2.SnapshotKind
    completed_at: int
    tasks: _containers.RepeatedCompositeFieldContainer[StoredTask]
    operator_names: _containers.ScalarMap[str, str]
    versions: _job_graph_pb2.Versions
    format: int
    key_hash: int
    edges: _containers.RepeatedCompositeFieldContainer[_job_graph_pb2.Edge]
    def __init__(self, job: _Optional[str] = ..., job_name: _Optional[str] = ..., epoch: _Optional[int] = ..., checkpoint: _Optional[int] = ..., kind: _Optional[_Union[_controls_pb2.SnapshotKind, str]] = ..., completed_at: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[StoredTask, _Mapping]]] = ..., operator_names: _Optional[_Mapping[str, str]] = ..., versions: _Optional[_Union[_job_graph_pb2.Versions, _Mapping]] = ..., format: _Optional[int] = ..., key_hash: _Optional[int] = ..., edges: _Optional[_Iterable[_Union[_job_graph_pb2.Edge, _Mapping]]] = ...) -> None: ...

class ListRange(_message.Message):
    __slots__ = ("name", "first", "end", "redistribution")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    REDISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    first: int
    end: int
    redistribution: Redistribution
    def __init__(self, name: _Optional[str] = ..., first: _Optional[int] = ..., end: _Optional[int] = ..., redistribution: _Optional[_Union[Redistribution, str]] = ...) -> None: ...

class RestorePart(_message.Message):
    __slots__ = ("operator", "old_subtask", "handle_file_ref", "handle_inline_bytes", "first_group", "end_group", "lists")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    OLD_SUBTASK_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FILE_REF_FIELD_NUMBER: _ClassVar[int]
    HANDLE_INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FIRST_GROUP_FIELD_NUMBER: _ClassVar[int]
    END_GROUP_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    operator: str
    old_subtask: int
    handle_file_ref: FileRef
    handle_inline_bytes: InlineBytes
    first_group: int
    end_group: int
    lists: _containers.RepeatedCompositeFieldContainer[ListRange]
    def __init__(self, operator: _Optional[str] = ..., old_subtask: _Optional[int] = ..., handle_file_ref: _Optional[_Union[FileRef, _Mapping]] = ..., handle_inline_bytes: _Optional[_Union[InlineBytes, _Mapping]] = ..., first_group: _Optional[int] = ..., end_group: _Optional[int] = ..., lists: _Optional[_Iterable[_Union[ListRange, _Mapping]]] = ...) -> None: ...

class InFlightPart(_message.Message):
    __slots__ = ("edge", "channel", "output", "records", "handle_file_ref", "handle_inline_bytes", "shared")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FILE_REF_FIELD_NUMBER: _ClassVar[int]
    HANDLE_INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    edge: int
    channel: _identity_pb2.ChannelId
    output: bool
    records: int
    handle_file_ref: FileRef
    handle_inline_bytes: InlineBytes
    shared: bool
    def __init__(self, edge: _Optional[int] = ..., channel: _Optional[_Union[_identity_pb2.ChannelId, _Mapping]] = ..., output: _Optional[bool] = ..., records: _Optional[int] = ..., handle_file_ref: _Optional[_Union[FileRef, _Mapping]] = ..., handle_inline_bytes: _Optional[_Union[InlineBytes, _Mapping]] = ..., shared: _Optional[bool] = ...) -> None: ...

class TaskRestore(_message.Message):
    __slots__ = ("subtask", "checkpoint", "parts", "counts", "finished", "rescaled", "in_flight")
    SUBTASK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    RESCALED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    subtask: _identity_pb2.SubtaskId
    checkpoint: int
    parts: _containers.RepeatedCompositeFieldContainer[RestorePart]
    counts: _containers.RepeatedCompositeFieldContainer[OperatorCount]
    finished: bool
    rescaled: bool
    in_flight: _containers.RepeatedCompositeFieldContainer[InFlightPart]
    def __init__(self, subtask: _Optional[_Union[_identity_pb2.SubtaskId, _Mapping]] = ..., checkpoint: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[RestorePart, _Mapping]]] = ..., counts: _Optional[_Iterable[_Union[OperatorCount, _Mapping]]] = ..., finished: _Optional[bool] = ..., rescaled: _Optional[bool] = ..., in_flight: _Optional[_Iterable[_Union[InFlightPart, _Mapping]]] = ...) -> None: ...

class WorkerRestore(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskRestore]
    def __init__(self, tasks: _Optional[_Iterable[_Union[TaskRestore, _Mapping]]] = ...) -> None: ...
