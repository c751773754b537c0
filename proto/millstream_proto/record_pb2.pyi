from millstream_proto import controls_pb2 as _controls_pb2
from millstream_proto import failures_pb2 as _failures_pb2
from millstream_proto import identity_pb2 as _identity_pb2
from millstream_proto import job_graph_pb2 as _job_graph_pb2
from millstream_proto import session_pb2 as _session_pb2
from millstream_proto import states_pb2 as _states_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Intent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTENT_UNSPECIFIED: _ClassVar[Intent]
    INTENT_RUN: _ClassVar[Intent]
    INTENT_CANCEL: _ClassVar[Intent]
    INTENT_STOP: _ClassVar[Intent]
INTENT_UNSPECIFIED: Intent
INTENT_RUN: Intent
INTENT_CANCEL: Intent
INTENT_STOP: Intent

class StoredWorker(_message.Message):
    __slots__ = ("worker", "ordinal", "taskmanager", "slot", "resource")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    ordinal: int
    taskmanager: str
    slot: int
    resource: str
    def __init__(self, worker: _Optional[str] = ..., ordinal: _Optional[int] = ..., taskmanager: _Optional[str] = ..., slot: _Optional[int] = ..., resource: _Optional[str] = ...) -> None: ...

class RegionRecord(_message.Message):
    __slots__ = ("attempt", "workers", "failures", "backoff", "reads")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    workers: _containers.RepeatedCompositeFieldContainer[StoredWorker]
    failures: _containers.RepeatedScalarFieldContainer[int]
    backoff: int
    reads: int
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., workers: _Optional[_Iterable[_Union[StoredWorker, _Mapping]]] = ..., failures: _Optional[_Iterable[int]] = ..., backoff: _Optional[int] = ..., reads: _Optional[int] = ...) -> None: ...

class CompletedCheckpoint(_message.Message):
    __slots__ = ("checkpoint", "epoch", "kind", "path", "completed_at", "size", "discardable", "damaged")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DISCARDABLE_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    checkpoint: int
    epoch: int
    kind: _controls_pb2.SnapshotKind
    path: str
    completed_at: int
    size: int
    discardable: bool
    damaged: bool
    def __init__(self, checkpoint: _Optional[int] = ..., epoch: _Optional[int] = ..., kind: _Optional[_Union[_controls_pb2.SnapshotKind, str]] = ..., path: _Optional[str] = ..., completed_at: _Optional[int] = ..., size: _Optional[int] = ..., discardable: _Optional[bool] = ..., damaged: _Optional[bool] = ...) -> None: ...

class FormerSavepoints(_message.Message):
    __slots__ = ("directory", "checkpoints")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    directory: str
    checkpoints: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, directory: _Optional[str] = ..., checkpoints: _Optional[_Iterable[int]] = ...) -> None: ...

class SavepointRequest(_message.Message):
    __slots__ = ("request", "target", "stop", "mode")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    request: str
    target: str
    stop: bool
    mode: _session_pb2.StopMode
    def __init__(self, request: _Optional[str] = ..., target: _Optional[str] = ..., stop: _Optional[bool] = ..., mode: _Optional[_Union[_session_pb2.StopMode, str]] = ...) -> None: ...

class SavepointResult(_message.Message):
    __slots__ = ("request", "path", "failure")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request: str
    path: str
    failure: _failures_pb2.Failure
    def __init__(self, request: _Optional[str] = ..., path: _Optional[str] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class JobRecord(_message.Message):
    __slots__ = ("job", "name", "graph", "submitted_at", "state", "version", "nonce", "intent", "regions", "reserved_checkpoints", "checkpoints", "restore", "savepoints", "results", "failure", "ended_at", "format", "former_savepoints")
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    SAVEPOINTS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    FORMER_SAVEPOINTS_FIELD_NUMBER: _ClassVar[int]
    job: str
    name: str
    graph: _job_graph_pb2.BlobRef
    submitted_at: int
    state: _states_pb2.JobState
    version: int
    nonce: str
    intent: Intent
    regions: _containers.RepeatedCompositeFieldContainer[RegionRecord]
    reserved_checkpoints: int
    checkpoints: _containers.RepeatedCompositeFieldContainer[CompletedCheckpoint]
    restore: CompletedCheckpoint
    savepoints: _containers.RepeatedCompositeFieldContainer[SavepointRequest]
    results: _containers.RepeatedCompositeFieldContainer[SavepointResult]
    failure: _failures_pb2.Failure
    ended_at: int
    format: int
    former_savepoints: _containers.RepeatedCompositeFieldContainer[FormerSavepoints]
    def __init__(self, job: _Optional[str] = ..., name: _Optional[str] = ..., graph: _Optional[_Union[_job_graph_pb2.BlobRef, _Mapping]] = ..., submitted_at: _Optional[int] = ..., state: _Optional[_Union[_states_pb2.JobState, str]] = ..., version: _Optional[int] = ..., nonce: _Optional[str] = ..., intent: _Optional[_Union[Intent, str]] = ..., regions: _Optional[_Iterable[_Union[RegionRecord, _Mapping]]] = ..., reserved_checkpoints: _Optional[int] = ..., checkpoints: _Optional[_Iterable[_Union[CompletedCheckpoint, _Mapping]]] = ..., restore: _Optional[_Union[CompletedCheckpoint, _Mapping]] = ..., savepoints: _Optional[_Iterable[_Union[SavepointRequest, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[SavepointResult, _Mapping]]] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ..., ended_at: _Optional[int] = ..., format: _Optional[int] = ..., former_savepoints: _Optional[_Iterable[_Union[FormerSavepoints, _Mapping]]] = ...) -> None: ...
