from millstream_proto import identity_pb2 as _identity_pb2
from millstream_proto import job_graph_pb2 as _job_graph_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataAddress(_message.Message):
    __slots__ = ("host", "port", "directory", "machine", "results")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    directory: str
    machine: str
    results: str
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., directory: _Optional[str] = ..., machine: _Optional[str] = ..., results: _Optional[str] = ...) -> None: ...

class WorkerPlacement(_message.Message):
    __slots__ = ("worker", "ordinal", "taskmanager", "slot", "address")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    ordinal: int
    taskmanager: str
    slot: int
    address: DataAddress
    def __init__(self, worker: _Optional[str] = ..., ordinal: _Optional[int] = ..., taskmanager: _Optional[str] = ..., slot: _Optional[int] = ..., address: _Optional[_Union[DataAddress, _Mapping]] = ...) -> None: ...

class ResultPlacement(_message.Message):
    __slots__ = ("attempt", "ordinal", "taskmanager", "address", "ticket")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    ordinal: int
    taskmanager: str
    address: DataAddress
    ticket: bytes
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., ordinal: _Optional[int] = ..., taskmanager: _Optional[str] = ..., address: _Optional[_Union[DataAddress, _Mapping]] = ..., ticket: _Optional[bytes] = ...) -> None: ...

class RegionDeployment(_message.Message):
    __slots__ = ("attempt", "epoch", "secret", "workers", "inputs")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    attempt: _identity_pb2.RegionAttempt
    epoch: int
    secret: bytes
    workers: _containers.RepeatedCompositeFieldContainer[WorkerPlacement]
    inputs: _containers.RepeatedCompositeFieldContainer[ResultPlacement]
    def __init__(self, attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., epoch: _Optional[int] = ..., secret: _Optional[bytes] = ..., workers: _Optional[_Iterable[_Union[WorkerPlacement, _Mapping]]] = ..., inputs: _Optional[_Iterable[_Union[ResultPlacement, _Mapping]]] = ...) -> None: ...

class DeployWorker(_message.Message):
    __slots__ = ("worker", "attempt", "slot", "ordinal", "subtasks", "graph", "deployment", "restore")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    SUBTASKS_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    attempt: _identity_pb2.RegionAttempt
    slot: int
    ordinal: int
    subtasks: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SubtaskId]
    graph: _job_graph_pb2.BlobRef
    deployment: _job_graph_pb2.BlobRef
    restore: _job_graph_pb2.BlobRef
    def __init__(self, worker: _Optional[str] = ..., attempt: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ..., slot: _Optional[int] = ..., ordinal: _Optional[int] = ..., subtasks: _Optional[_Iterable[_Union[_identity_pb2.SubtaskId, _Mapping]]] = ..., graph: _Optional[_Union[_job_graph_pb2.BlobRef, _Mapping]] = ..., deployment: _Optional[_Union[_job_graph_pb2.BlobRef, _Mapping]] = ..., restore: _Optional[_Union[_job_graph_pb2.BlobRef, _Mapping]] = ...) -> None: ...
