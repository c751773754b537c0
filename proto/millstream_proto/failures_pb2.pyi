from millstream_proto import identity_pb2 as _identity_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_KIND_UNSPECIFIED: _ClassVar[FailureKind]
    FAILURE_KIND_USER: _ClassVar[FailureKind]
    FAILURE_KIND_INTERNAL: _ClassVar[FailureKind]
    FAILURE_KIND_EXTERNAL: _ClassVar[FailureKind]
    FAILURE_KIND_CHECKPOINT: _ClassVar[FailureKind]
FAILURE_KIND_UNSPECIFIED: FailureKind
FAILURE_KIND_USER: FailureKind
FAILURE_KIND_INTERNAL: FailureKind
FAILURE_KIND_EXTERNAL: FailureKind
FAILURE_KIND_CHECKPOINT: FailureKind

class Failure(_message.Message):
    __slots__ = ("kind", "message", "operator", "record", "source_line", "traceback", "secondary", "restartable", "result")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LINE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    SECONDARY_FIELD_NUMBER: _ClassVar[int]
    RESTARTABLE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    kind: FailureKind
    message: str
    operator: str
    record: str
    source_line: str
    traceback: str
    secondary: bool
    restartable: bool
    result: _identity_pb2.RegionAttempt
    def __init__(self, kind: _Optional[_Union[FailureKind, str]] = ..., message: _Optional[str] = ..., operator: _Optional[str] = ..., record: _Optional[str] = ..., source_line: _Optional[str] = ..., traceback: _Optional[str] = ..., secondary: _Optional[bool] = ..., restartable: _Optional[bool] = ..., result: _Optional[_Union[_identity_pb2.RegionAttempt, _Mapping]] = ...) -> None: ...
