from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class SnapshotKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SNAPSHOT_KIND_UNSPECIFIED: _ClassVar[SnapshotKind]
    SNAPSHOT_KIND_CHECKPOINT: _ClassVar[SnapshotKind]
    SNAPSHOT_KIND_SAVEPOINT: _ClassVar[SnapshotKind]
    SNAPSHOT_KIND_FINAL: _ClassVar[SnapshotKind]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_INPUT: _ClassVar[EndReason]
    END_REASON_DRAIN: _ClassVar[EndReason]
    END_REASON_STOP: _ClassVar[EndReason]
SNAPSHOT_KIND_UNSPECIFIED: SnapshotKind
SNAPSHOT_KIND_CHECKPOINT: SnapshotKind
SNAPSHOT_KIND_SAVEPOINT: SnapshotKind
SNAPSHOT_KIND_FINAL: SnapshotKind
END_REASON_UNSPECIFIED: EndReason
END_REASON_INPUT: EndReason
END_REASON_DRAIN: EndReason
END_REASON_STOP: EndReason
