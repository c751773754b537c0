from millstream_proto import controls_pb2 as _controls_pb2
from millstream_proto import blobs_pb2 as _blobs_pb2
from millstream_proto import deployments_pb2 as _deployments_pb2
from millstream_proto import failures_pb2 as _failures_pb2
from millstream_proto import identity_pb2 as _identity_pb2
from millstream_proto import job_graph_pb2 as _job_graph_pb2
from millstream_proto import snapshots_pb2 as _snapshots_pb2
from millstream_proto import states_pb2 as _states_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MetricKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_KIND_UNSPECIFIED: _ClassVar[MetricKind]
    METRIC_KIND_COUNTER: _ClassVar[MetricKind]
    METRIC_KIND_GAUGE: _ClassVar[MetricKind]
    METRIC_KIND_METER: _ClassVar[MetricKind]
    METRIC_KIND_DISTRIBUTION: _ClassVar[MetricKind]

class StopMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_MODE_UNSPECIFIED: _ClassVar[StopMode]
    STOP_MODE_STOP: _ClassVar[StopMode]
    STOP_MODE_DRAIN: _ClassVar[StopMode]
METRIC_KIND_UNSPECIFIED: MetricKind
METRIC_KIND_COUNTER: MetricKind
METRIC_KIND_GAUGE: MetricKind
METRIC_KIND_METER: MetricKind
METRIC_KIND_DISTRIBUTION: MetricKind
STOP_MODE_UNSPECIFIED: StopMode
STOP_MODE_STOP: StopMode
STOP_MODE_DRAIN: StopMode

class TaskReport(_message.Message):
    __slots__ = ("task", "state", "failure", "ended", "commits_restored")
    TASK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    COMMITS_RESTORED_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    state: _states_pb2.TaskState
    failure: _failures_pb2.Failure
    ended: _controls_pb2.EndReason
    commits_restored: bool
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., state: _Optional[_Union[_states_pb2.TaskState, str]] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ..., ended: _Optional[_Union[_controls_pb2.EndReason, str]] = ..., commits_restored: _Optional[bool] = ...) -> None: ...

class WorkerReport(_message.Message):
    __slots__ = ("worker", "attempt", "slot")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    worker: str
    attempt: _identity_pb2.RegionAttempt
    slot: int
    def __init__(self, worker: _Optional[str] = ..., attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., slot: _Optional[int] = ...) -> None: ...

class CheckpointAcknowledged(_message.Message):
    __slots__ = ("task", "checkpoint", "snapshot")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    checkpoint: int
    snapshot: _snapshots_pb2.TaskSnapshot
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., checkpoint: _Optional[int] = ..., snapshot: _Optional[_Union[_snapshots_pb2.TaskSnapshot, _Mapping]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("address", "slots", "versions", "epoch_seen", "resource", "workers", "tasks", "acknowledgements", "declines", "jobs", "leaving", "results_key")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_SEEN_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    DECLINES_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    RESULTS_KEY_FIELD_NUMBER: _ClassVar[int]
    address: _deployments_pb2.DataAddress
    slots: int
    versions: _job_graph_pb2.Versions
    epoch_seen: int
    resource: str
    workers: _containers.RepeatedCompositeFieldContainer[WorkerReport]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskReport]
    acknowledgements: _containers.RepeatedCompositeFieldContainer[CheckpointAcknowledged]
    declines: _containers.RepeatedCompositeFieldContainer[CheckpointDeclined]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    leaving: bool
    results_key: bytes
    def __init__(self, address: _Optional[_Union[_deployments_pb2.DataAddress, _Mapping]] = ..., slots: _Optional[int] = ..., versions: _Optional[_Union[_job_graph_pb2.Versions, _Mapping]] = ..., epoch_seen: _Optional[int] = ..., resource: _Optional[str] = ..., workers: _Optional[_Iterable[_Union[WorkerReport, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[TaskReport, _Mapping]]] = ..., acknowledgements: _Optional[_Iterable[_Union[CheckpointAcknowledged, _Mapping]]] = ..., declines: _Optional[_Iterable[_Union[CheckpointDeclined, _Mapping]]] = ..., jobs: _Optional[_Iterable[str]] = ..., leaving: _Optional[bool] = ..., results_key: _Optional[bytes] = ...) -> None: ...

class Leaving(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class TaskStateChanged(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: TaskReport
    def __init__(self, report: _Optional[_Union[TaskReport, _Mapping]] = ...) -> None: ...

class CheckpointDeclined(_message.Message):
    __slots__ = ("task", "checkpoint", "failure")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    checkpoint: int
    failure: _failures_pb2.Failure
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., checkpoint: _Optional[int] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class PeerLost(_message.Message):
    __slots__ = ("attempt", "peer")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    peer: str
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., peer: _Optional[str] = ...) -> None: ...

class WorkerEnded(_message.Message):
    __slots__ = ("worker", "attempt", "slot", "died", "cause")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    DIED_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    attempt: _identity_pb2.RegionAttempt
    slot: int
    died: bool
    cause: str
    def __init__(self, worker: _Optional[str] = ..., attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., slot: _Optional[int] = ..., died: _Optional[bool] = ..., cause: _Optional[str] = ...) -> None: ...

class UserMetric(_message.Message):
    __slots__ = ("operator", "name", "kind", "count", "value", "low", "high")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    operator: str
    name: str
    kind: MetricKind
    count: int
    value: float
    low: float
    high: float
    def __init__(self, operator: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[MetricKind, str]] = ..., count: _Optional[int] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class TaskTotals(_message.Message):
    __slots__ = ("task", "records_in", "records_out", "late", "watermark", "records_read", "metrics")
    TASK_FIELD_NUMBER: _ClassVar[int]
    RECORDS_IN_FIELD_NUMBER: _ClassVar[int]
    RECORDS_OUT_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    RECORDS_READ_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    records_in: int
    records_out: int
    late: int
    watermark: int
    records_read: int
    metrics: _containers.RepeatedCompositeFieldContainer[UserMetric]
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., records_in: _Optional[int] = ..., records_out: _Optional[int] = ..., late: _Optional[int] = ..., watermark: _Optional[int] = ..., records_read: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[UserMetric, _Mapping]]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskTotals]
    def __init__(self, tasks: _Optional[_Iterable[_Union[TaskTotals, _Mapping]]] = ...) -> None: ...

class SourceTime(_message.Message):
    __slots__ = ("task", "watermark", "idle")
    TASK_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    watermark: int
    idle: bool
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., watermark: _Optional[int] = ..., idle: _Optional[bool] = ...) -> None: ...

class TaskOutput(_message.Message):
    __slots__ = ("task", "error_stream", "text", "dropped")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ERROR_STREAM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    error_stream: bool
    text: str
    dropped: int
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., error_stream: _Optional[bool] = ..., text: _Optional[str] = ..., dropped: _Optional[int] = ...) -> None: ...

class OperatorReply(_message.Message):
    __slots__ = ("request", "payload", "failure")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request: int
    payload: bytes
    failure: _failures_pb2.Failure
    def __init__(self, request: _Optional[int] = ..., payload: _Optional[bytes] = ..., failure: _Optional[_Union[_failures_pb2.Failure, _Mapping]] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("leader", "heartbeat_interval", "heartbeat_timeout")
    LEADER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    leader: str
    heartbeat_interval: int
    heartbeat_timeout: int
    def __init__(self, leader: _Optional[str] = ..., heartbeat_interval: _Optional[int] = ..., heartbeat_timeout: _Optional[int] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class CancelRegion(_message.Message):
    __slots__ = ("attempt", "grace")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    grace: int
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., grace: _Optional[int] = ...) -> None: ...

class RegionEnded(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ...) -> None: ...

class ReleaseRegion(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ...) -> None: ...

class ConfirmAcknowledged(_message.Message):
    __slots__ = ("task", "checkpoint")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    checkpoint: int
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., checkpoint: _Optional[int] = ...) -> None: ...

class TriggerCheckpoint(_message.Message):
    __slots__ = ("tasks", "checkpoint", "kind", "directory")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_identity_pb2.TaskId]
    checkpoint: int
    kind: _controls_pb2.SnapshotKind
    directory: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[_identity_pb2.TaskId, _Mapping]]] = ..., checkpoint: _Optional[int] = ..., kind: _Optional[_Union[_controls_pb2.SnapshotKind, str]] = ..., directory: _Optional[str] = ...) -> None: ...

class CheckpointCompleted(_message.Message):
    __slots__ = ("attempt", "checkpoint", "commits", "last")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    checkpoint: int
    commits: bool
    last: bool
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., checkpoint: _Optional[int] = ..., commits: _Optional[bool] = ..., last: _Optional[bool] = ...) -> None: ...

class CheckpointAborted(_message.Message):
    __slots__ = ("attempt", "checkpoint", "older_too")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLDER_TOO_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    checkpoint: int
    older_too: bool
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., checkpoint: _Optional[int] = ..., older_too: _Optional[bool] = ...) -> None: ...

class StopSources(_message.Message):
    __slots__ = ("tasks", "mode")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_identity_pb2.TaskId]
    mode: StopMode
    def __init__(self, tasks: _Optional[_Iterable[_Union[_identity_pb2.TaskId, _Mapping]]] = ..., mode: _Optional[_Union[StopMode, str]] = ...) -> None: ...

class LimitSources(_message.Message):
    __slots__ = ("tasks", "time")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_identity_pb2.TaskId]
    time: int
    def __init__(self, tasks: _Optional[_Iterable[_Union[_identity_pb2.TaskId, _Mapping]]] = ..., time: _Optional[int] = ...) -> None: ...

class DropLeftovers(_message.Message):
    __slots__ = ("task", "operator", "spared")
    TASK_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    SPARED_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    operator: str
    spared: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., operator: _Optional[str] = ..., spared: _Optional[_Iterable[int]] = ...) -> None: ...

class OperatorRequest(_message.Message):
    __slots__ = ("request", "task", "operator", "payload")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    request: int
    task: _identity_pb2.TaskId
    operator: str
    payload: bytes
    def __init__(self, request: _Optional[int] = ..., task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., operator: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...

class ListenOutput(_message.Message):
    __slots__ = ("job", "listen")
    JOB_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    job: str
    listen: bool
    def __init__(self, job: _Optional[str] = ..., listen: _Optional[bool] = ...) -> None: ...

class OutputTaken(_message.Message):
    __slots__ = ("task", "characters")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    task: _identity_pb2.TaskId
    characters: int
    def __init__(self, task: _Optional[_Union[_identity_pb2.TaskId, _Mapping]] = ..., characters: _Optional[int] = ...) -> None: ...

class JobEnded(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class Dismissed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskManagerMessage(_message.Message):
    __slots__ = ("session", "epoch", "register", "heartbeat", "task_state_changed", "checkpoint_acknowledged", "checkpoint_declined", "peer_lost", "worker_ended", "progress", "task_output", "operator_reply", "part", "leaving", "source_time")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    TASK_STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_DECLINED_FIELD_NUMBER: _ClassVar[int]
    PEER_LOST_FIELD_NUMBER: _ClassVar[int]
    WORKER_ENDED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TASK_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_REPLY_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TIME_FIELD_NUMBER: _ClassVar[int]
    session: _identity_pb2.SessionId
    epoch: int
    register: Register
    heartbeat: Heartbeat
    task_state_changed: TaskStateChanged
    checkpoint_acknowledged: CheckpointAcknowledged
    checkpoint_declined: CheckpointDeclined
    peer_lost: PeerLost
    worker_ended: WorkerEnded
    progress: Progress
    task_output: TaskOutput
    operator_reply: OperatorReply
    part: _blobs_pb2.Part
    leaving: Leaving
    source_time: SourceTime
    def __init__(self, session: _Optional[_Union[_identity_pb2.SessionId, _Mapping]] = ..., epoch: _Optional[int] = ..., register: _Optional[_Union[Register, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., task_state_changed: _Optional[_Union[TaskStateChanged, _Mapping]] = ..., checkpoint_acknowledged: _Optional[_Union[CheckpointAcknowledged, _Mapping]] = ..., checkpoint_declined: _Optional[_Union[CheckpointDeclined, _Mapping]] = ..., peer_lost: _Optional[_Union[PeerLost, _Mapping]] = ..., worker_ended: _Optional[_Union[WorkerEnded, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., task_output: _Optional[_Union[TaskOutput, _Mapping]] = ..., operator_reply: _Optional[_Union[OperatorReply, _Mapping]] = ..., part: _Optional[_Union[_blobs_pb2.Part, _Mapping]] = ..., leaving: _Optional[_Union[Leaving, _Mapping]] = ..., source_time: _Optional[_Union[SourceTime, _Mapping]] = ...) -> None: ...

class JobManagerMessage(_message.Message):
    __slots__ = ("session", "epoch", "registered", "refused", "heartbeat", "deploy_worker", "cancel_region", "region_ended", "confirm_acknowledged", "trigger_checkpoint", "checkpoint_completed", "checkpoint_aborted", "stop_sources", "drop_leftovers", "operator_request", "listen_output", "job_ended", "part", "output_taken", "dismissed", "limit_sources", "release_region")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DEPLOY_WORKER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REGION_FIELD_NUMBER: _ClassVar[int]
    REGION_ENDED_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ABORTED_FIELD_NUMBER: _ClassVar[int]
    STOP_SOURCES_FIELD_NUMBER: _ClassVar[int]
    DROP_LEFTOVERS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_REQUEST_FIELD_NUMBER: _ClassVar[int]
    LISTEN_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    JOB_ENDED_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TAKEN_FIELD_NUMBER: _ClassVar[int]
    DISMISSED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_SOURCES_FIELD_NUMBER: _ClassVar[int]
    RELEASE_REGION_FIELD_NUMBER: _ClassVar[int]
    session: _identity_pb2.SessionId
    epoch: int
    registered: Registered
    refused: Refused
    heartbeat: Heartbeat
    deploy_worker: _deployments_pb2.DeployWorker
    cancel_region: CancelRegion
    region_ended: RegionEnded
    confirm_acknowledged: ConfirmAcknowledged
    trigger_checkpoint: TriggerCheckpoint
    checkpoint_completed: CheckpointCompleted
    checkpoint_aborted: CheckpointAborted
    stop_sources: StopSources
    drop_leftovers: DropLeftovers
    operator_request: OperatorRequest
    listen_output: ListenOutput
    job_ended: JobEnded
    part: _blobs_pb2.Part
    output_taken: OutputTaken
    dismissed: Dismissed
    limit_sources: LimitSources
    release_region: ReleaseRegion
    def __init__(self, session: _Optional[_Union[_identity_pb2.SessionId, _Mapping]] = ..., epoch: _Optional[int] = ..., registered: _Optional[_Union[Registered, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., deploy_worker: _Optional[_Union[_deployments_pb2.DeployWorker, _Mapping]] = ..., cancel_region: _Optional[_Union[CancelRegion, _Mapping]] = ..., region_ended: _Optional[_Union[RegionEnded, _Mapping]] = ..., confirm_acknowledged: _Optional[_Union[ConfirmAcknowledged, _Mapping]] = ..., trigger_checkpoint: _Optional[_Union[TriggerCheckpoint, _Mapping]] = ..., checkpoint_completed: _Optional[_Union[CheckpointCompleted, _Mapping]] = ..., checkpoint_aborted: _Optional[_Union[CheckpointAborted, _Mapping]] = ..., stop_sources: _Optional[_Union[StopSources, _Mapping]] = ..., drop_leftovers: _Optional[_Union[DropLeftovers, _Mapping]] = ..., operator_request: _Optional[_Union[OperatorRequest, _Mapping]] = ..., listen_output: _Optional[_Union[ListenOutput, _Mapping]] = ..., job_ended: _Optional[_Union[JobEnded, _Mapping]] = ..., part: _Optional[_Union[_blobs_pb2.Part, _Mapping]] = ..., output_taken: _Optional[_Union[OutputTaken, _Mapping]] = ..., dismissed: _Optional[_Union[Dismissed, _Mapping]] = ..., limit_sources: _Optional[_Union[LimitSources, _Mapping]] = ..., release_region: _Optional[_Union[ReleaseRegion, _Mapping]] = ...) -> None: ...
