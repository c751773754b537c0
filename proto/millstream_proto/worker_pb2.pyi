from millstream_proto import session_pb2 as _session_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartTasks(_message.Message):
    __slots__ = ("worker", "graph_path", "deployment_path", "restore_path", "blob_directory", "socket_path")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    GRAPH_PATH_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_PATH_FIELD_NUMBER: _ClassVar[int]
    RESTORE_PATH_FIELD_NUMBER: _ClassVar[int]
    BLOB_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    SOCKET_PATH_FIELD_NUMBER: _ClassVar[int]
    worker: str
    graph_path: str
    deployment_path: str
    restore_path: str
    blob_directory: str
    socket_path: str
    def __init__(self, worker: _Optional[str] = ..., graph_path: _Optional[str] = ..., deployment_path: _Optional[str] = ..., restore_path: _Optional[str] = ..., blob_directory: _Optional[str] = ..., socket_path: _Optional[str] = ...) -> None: ...

class CancelTasks(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class PeerConnected(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: str
    def __init__(self, worker: _Optional[str] = ...) -> None: ...

class PeerTaken(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DropPeer(_message.Message):
    __slots__ = ("taskmanager", "reason")
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    taskmanager: str
    reason: str
    def __init__(self, taskmanager: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class LeaderChanged(_message.Message):
    __slots__ = ("present",)
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    present: bool
    def __init__(self, present: _Optional[bool] = ...) -> None: ...

class ToWorker(_message.Message):
    __slots__ = ("start_tasks", "cancel_tasks", "peer_connected", "drop_peer", "leader_changed", "trigger_checkpoint", "checkpoint_completed", "checkpoint_aborted", "stop_sources", "drop_leftovers", "operator_request", "listen_output", "output_taken", "limit_sources")
    START_TASKS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TASKS_FIELD_NUMBER: _ClassVar[int]
    PEER_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    DROP_PEER_FIELD_NUMBER: _ClassVar[int]
    LEADER_CHANGED_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ABORTED_FIELD_NUMBER: _ClassVar[int]
    STOP_SOURCES_FIELD_NUMBER: _ClassVar[int]
    DROP_LEFTOVERS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_REQUEST_FIELD_NUMBER: _ClassVar[int]
    LISTEN_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TAKEN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_SOURCES_FIELD_NUMBER: _ClassVar[int]
    start_tasks: StartTasks
    cancel_tasks: CancelTasks
    peer_connected: PeerConnected
    drop_peer: DropPeer
    leader_changed: LeaderChanged
    trigger_checkpoint: _session_pb2.TriggerCheckpoint
    checkpoint_completed: _session_pb2.CheckpointCompleted
    checkpoint_aborted: _session_pb2.CheckpointAborted
    stop_sources: _session_pb2.StopSources
    drop_leftovers: _session_pb2.DropLeftovers
    operator_request: _session_pb2.OperatorRequest
    listen_output: _session_pb2.ListenOutput
    output_taken: _session_pb2.OutputTaken
    limit_sources: _session_pb2.LimitSources
    def __init__(self, start_tasks: _Optional[_Union[StartTasks, _Mapping]] = ..., cancel_tasks: _Optional[_Union[CancelTasks, _Mapping]] = ..., peer_connected: _Optional[_Union[PeerConnected, _Mapping]] = ..., drop_peer: _Optional[_Union[DropPeer, _Mapping]] = ..., leader_changed: _Optional[_Union[LeaderChanged, _Mapping]] = ..., trigger_checkpoint: _Optional[_Union[_session_pb2.TriggerCheckpoint, _Mapping]] = ..., checkpoint_completed: _Optional[_Union[_session_pb2.CheckpointCompleted, _Mapping]] = ..., checkpoint_aborted: _Optional[_Union[_session_pb2.CheckpointAborted, _Mapping]] = ..., stop_sources: _Optional[_Union[_session_pb2.StopSources, _Mapping]] = ..., drop_leftovers: _Optional[_Union[_session_pb2.DropLeftovers, _Mapping]] = ..., operator_request: _Optional[_Union[_session_pb2.OperatorRequest, _Mapping]] = ..., listen_output: _Optional[_Union[_session_pb2.ListenOutput, _Mapping]] = ..., output_taken: _Optional[_Union[_session_pb2.OutputTaken, _Mapping]] = ..., limit_sources: _Optional[_Union[_session_pb2.LimitSources, _Mapping]] = ...) -> None: ...

class FromWorker(_message.Message):
    __slots__ = ("task_state_changed", "checkpoint_acknowledged", "checkpoint_declined", "peer_lost", "progress", "operator_reply", "task_output", "peer_taken", "source_time")
    TASK_STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_DECLINED_FIELD_NUMBER: _ClassVar[int]
    PEER_LOST_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_REPLY_FIELD_NUMBER: _ClassVar[int]
    TASK_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PEER_TAKEN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TIME_FIELD_NUMBER: _ClassVar[int]
    task_state_changed: _session_pb2.TaskStateChanged
    checkpoint_acknowledged: _session_pb2.CheckpointAcknowledged
    checkpoint_declined: _session_pb2.CheckpointDeclined
    peer_lost: _session_pb2.PeerLost
    progress: _session_pb2.Progress
    operator_reply: _session_pb2.OperatorReply
    task_output: _session_pb2.TaskOutput
    peer_taken: PeerTaken
    source_time: _session_pb2.SourceTime
    def __init__(self, task_state_changed: _Optional[_Union[_session_pb2.TaskStateChanged, _Mapping]] = ..., checkpoint_acknowledged: _Optional[_Union[_session_pb2.CheckpointAcknowledged, _Mapping]] = ..., checkpoint_declined: _Optional[_Union[_session_pb2.CheckpointDeclined, _Mapping]] = ..., peer_lost: _Optional[_Union[_session_pb2.PeerLost, _Mapping]] = ..., progress: _Optional[_Union[_session_pb2.Progress, _Mapping]] = ..., operator_reply: _Optional[_Union[_session_pb2.OperatorReply, _Mapping]] = ..., task_output: _Optional[_Union[_session_pb2.TaskOutput, _Mapping]] = ..., peer_taken: _Optional[_Union[PeerTaken, _Mapping]] = ..., source_time: _Optional[_Union[_session_pb2.SourceTime, _Mapping]] = ...) -> None: ...
