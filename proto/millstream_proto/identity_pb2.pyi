from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubtaskId(_message.Message):
    __slots__ = ("vertex", "index")
    VERTEX_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    vertex: str
    index: int
    def __init__(self, vertex: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class RegionAttempt(_message.Message):
    __slots__ = ("job", "region", "number")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    job: str
    region: int
    number: int
    def __init__(self, job: _Optional[str] = ..., region: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class TaskId(_message.Message):
    __slots__ = ("attempt", "subtask")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SUBTASK_FIELD_NUMBER: _ClassVar[int]
    attempt: RegionAttempt
    subtask: SubtaskId
    def __init__(self, attempt: _Optional[_Union[RegionAttempt, _Mapping]] = ..., subtask: _Optional[_Union[SubtaskId, _Mapping]] = ...) -> None: ...

class SessionId(_message.Message):
    __slots__ = ("taskmanager", "number")
    TASKMANAGER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    taskmanager: str
    number: int
    def __init__(self, taskmanager: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class ChannelId(_message.Message):
    __slots__ = ("edge", "source", "target")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    edge: int
    source: int
    target: int
    def __init__(self, edge: _Optional[int] = ..., source: _Optional[int] = ..., target: _Optional[int] = ...) -> None: ...
