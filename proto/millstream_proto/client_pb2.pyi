from millstream_proto import controls_pb2 as _controls_pb2
from millstream_proto import blobs_pb2 as _blobs_pb2
from millstream_proto import failures_pb2 as _failures_pb2
from millstream_proto import job_graph_pb2 as _job_graph_pb2
from millstream_proto import session_pb2 as _session_pb2
from millstream_proto import states_pb2 as _states_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitJob(_message.Message):
    __slots__ = ("graph", "graph_blob", "restore_path", "allow_non_restored_state", "accept_duplicates")
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    GRAPH_BLOB_FIELD_NUMBER: _ClassVar[int]
    RESTORE_PATH_FIELD_NUMBER: _ClassVar[int]
    ALLOW_NON_RESTORED_STATE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    graph: _job_graph_pb2.JobGraph
    graph_blob: _job_graph_pb2.BlobRef
    restore_path: str
    allow_non_restored_state: bool
    accept_duplicates: bool
    def __init__(self, graph: _Optional[_Union[_job_graph_pb2.JobGraph, _Mapping]] = ..., graph_blob: _Optional[_Union[_job_graph_pb2.BlobRef, _Mapping]] = ..., restore_path: _Optional[str] = ..., allow_non_restored_state: _Optional[bool] = ..., accept_duplicates: _Optional[bool] = ...) -> None: ...

class CancelJob(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class StopJob(_message.Message):
    __slots__ = ("job", "request", "mode", "target")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    job: str
    request: str
    mode: _session_pb2.StopMode
    target: str
    def __init__(self, job: _Optional[str] = ..., request: _Optional[str] = ..., mode: _Optional[_Union[_session_pb2.StopMode, str]] = ..., target: _Optional[str] = ...) -> None: ...

class TriggerSavepoint(_message.Message):
    __slots__ = ("job", "request", "target")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    job: str
    request: str
    target: str
    def __init__(self, job: _Optional[str] = ..., request: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class JobStatus(_message.Message):
    __slots__ = ("job", "name", "state", "note", "submitted_at", "ended_at", "failure")
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    job: str
    name: str
    state: _states_pb2.JobState
    note: str
    submitted_at: int
    ended_at: int
    failure: _failures_pb2.Failure
    def __init__(self, job: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[_Union[_states_pb2.JobState, str]] = ..., note: _Optional[str] = ..., submitted_at: _Optional[int] = ..., ended_at: _Optional[int] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class TaskView(_message.Message):
    __slots__ = ("vertex", "index", "attempt", "state", "taskmanager", "totals", "name")
    VERTEX_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    vertex: str
    index: int
    attempt: int
    state: _states_pb2.TaskState
    taskmanager: str
    totals: _session_pb2.TaskTotals
    name: str
    def __init__(self, vertex: _Optional[str] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[_Union[_states_pb2.TaskState, str]] = ..., taskmanager: _Optional[str] = ..., totals: _Optional[_Union[_session_pb2.TaskTotals, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class CheckpointView(_message.Message):
    __slots__ = ("checkpoint", "kind", "path", "completed_at", "duration", "size", "alignment_duration", "persisted_data", "unaligned")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_DURATION_FIELD_NUMBER: _ClassVar[int]
    PERSISTED_DATA_FIELD_NUMBER: _ClassVar[int]
    UNALIGNED_FIELD_NUMBER: _ClassVar[int]
    checkpoint: int
    kind: _controls_pb2.SnapshotKind
    path: str
    completed_at: int
    duration: int
    size: int
    alignment_duration: int
    persisted_data: int
    unaligned: bool
    def __init__(self, checkpoint: _Optional[int] = ..., kind: _Optional[_Union[_controls_pb2.SnapshotKind, str]] = ..., path: _Optional[str] = ..., completed_at: _Optional[int] = ..., duration: _Optional[int] = ..., size: _Optional[int] = ..., alignment_duration: _Optional[int] = ..., persisted_data: _Optional[int] = ..., unaligned: _Optional[bool] = ...) -> None: ...

class CheckpointCounts(_message.Message):
    __slots__ = ("completed", "failed", "in_progress", "last_failure")
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    IN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    completed: int
    failed: int
    in_progress: int
    last_failure: str
    def __init__(self, completed: _Optional[int] = ..., failed: _Optional[int] = ..., in_progress: _Optional[int] = ..., last_failure: _Optional[str] = ...) -> None: ...

class EdgeAudit(_message.Message):
    __slots__ = ("name", "sent", "received", "in_flight", "restored")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    name: str
    sent: int
    received: int
    in_flight: int
    restored: int
    def __init__(self, name: _Optional[str] = ..., sent: _Optional[int] = ..., received: _Optional[int] = ..., in_flight: _Optional[int] = ..., restored: _Optional[int] = ...) -> None: ...

class OperatorAudit(_message.Message):
    __slots__ = ("name", "received", "processed", "late", "skipped", "quarantined", "held", "committed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    name: str
    received: int
    processed: int
    late: int
    skipped: int
    quarantined: int
    held: int
    committed: int
    def __init__(self, name: _Optional[str] = ..., received: _Optional[int] = ..., processed: _Optional[int] = ..., late: _Optional[int] = ..., skipped: _Optional[int] = ..., quarantined: _Optional[int] = ..., held: _Optional[int] = ..., committed: _Optional[int] = ...) -> None: ...

class SavepointStatus(_message.Message):
    __slots__ = ("request", "path", "failure")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request: str
    path: str
    failure: _failures_pb2.Failure
    def __init__(self, request: _Optional[str] = ..., path: _Optional[str] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class RestartView(_message.Message):
    __slots__ = ("region", "attempt", "failure")
    REGION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    region: int
    attempt: int
    failure: _failures_pb2.Failure
    def __init__(self, region: _Optional[int] = ..., attempt: _Optional[int] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class JobDetails(_message.Message):
    __slots__ = ("status", "tasks", "checkpoints", "counts", "edges", "operators", "savepoints", "restarts")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    OPERATORS_FIELD_NUMBER: _ClassVar[int]
    SAVEPOINTS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    status: JobStatus
    tasks: _containers.RepeatedCompositeFieldContainer[TaskView]
    checkpoints: _containers.RepeatedCompositeFieldContainer[CheckpointView]
    counts: CheckpointCounts
    edges: _containers.RepeatedCompositeFieldContainer[EdgeAudit]
    operators: _containers.RepeatedCompositeFieldContainer[OperatorAudit]
    savepoints: _containers.RepeatedCompositeFieldContainer[SavepointStatus]
    restarts: _containers.RepeatedCompositeFieldContainer[RestartView]
    def __init__(self, status: _Optional[_Union[JobStatus, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[TaskView, _Mapping]]] = ..., checkpoints: _Optional[_Iterable[_Union[CheckpointView, _Mapping]]] = ..., counts: _Optional[_Union[CheckpointCounts, _Mapping]] = ..., edges: _Optional[_Iterable[_Union[EdgeAudit, _Mapping]]] = ..., operators: _Optional[_Iterable[_Union[OperatorAudit, _Mapping]]] = ..., savepoints: _Optional[_Iterable[_Union[SavepointStatus, _Mapping]]] = ..., restarts: _Optional[_Iterable[_Union[RestartView, _Mapping]]] = ...) -> None: ...

class TaskManagerView(_message.Message):
    __slots__ = ("taskmanager", "host", "port", "slots", "free_slots", "leaving")
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    FREE_SLOTS_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    taskmanager: str
    host: str
    port: int
    slots: int
    free_slots: int
    leaving: bool
    def __init__(self, taskmanager: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., slots: _Optional[int] = ..., free_slots: _Optional[int] = ..., leaving: _Optional[bool] = ...) -> None: ...

class ClusterView(_message.Message):
    __slots__ = ("leader", "epoch", "versions", "taskmanagers", "jobs")
    LEADER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    TASKMANAGERS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    leader: str
    epoch: int
    versions: _job_graph_pb2.Versions
    taskmanagers: _containers.RepeatedCompositeFieldContainer[TaskManagerView]
    jobs: _containers.RepeatedCompositeFieldContainer[JobStatus]
    def __init__(self, leader: _Optional[str] = ..., epoch: _Optional[int] = ..., versions: _Optional[_Union[_job_graph_pb2.Versions, _Mapping]] = ..., taskmanagers: _Optional[_Iterable[_Union[TaskManagerView, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[JobStatus, _Mapping]]] = ...) -> None: ...

class JobRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class ClusterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OperatorQuestion(_message.Message):
    __slots__ = ("job", "operator", "payload")
    JOB_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    job: str
    operator: str
    payload: bytes
    def __init__(self, job: _Optional[str] = ..., operator: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...
