from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Partitioning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTITIONING_UNSPECIFIED: _ClassVar[Partitioning]
    PARTITIONING_FORWARD: _ClassVar[Partitioning]
    PARTITIONING_HASH: _ClassVar[Partitioning]
    PARTITIONING_REBALANCE: _ClassVar[Partitioning]
    PARTITIONING_RESCALE: _ClassVar[Partitioning]
    PARTITIONING_BROADCAST: _ClassVar[Partitioning]
    PARTITIONING_SHUFFLE: _ClassVar[Partitioning]
    PARTITIONING_GLOBAL: _ClassVar[Partitioning]
    PARTITIONING_CUSTOM: _ClassVar[Partitioning]
    PARTITIONING_SPLITS: _ClassVar[Partitioning]

class Exchange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXCHANGE_UNSPECIFIED: _ClassVar[Exchange]
    EXCHANGE_PIPELINED: _ClassVar[Exchange]
    EXCHANGE_BLOCKING: _ClassVar[Exchange]
PARTITIONING_UNSPECIFIED: Partitioning
PARTITIONING_FORWARD: Partitioning
PARTITIONING_HASH: Partitioning
PARTITIONING_REBALANCE: Partitioning
PARTITIONING_RESCALE: Partitioning
PARTITIONING_BROADCAST: Partitioning
PARTITIONING_SHUFFLE: Partitioning
PARTITIONING_GLOBAL: Partitioning
PARTITIONING_CUSTOM: Partitioning
PARTITIONING_SPLITS: Partitioning
EXCHANGE_UNSPECIFIED: Exchange
EXCHANGE_PIPELINED: Exchange
EXCHANGE_BLOCKING: Exchange

class BlobRef(_message.Message):
    __slots__ = ("digest", "size")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("name", "blob")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    name: str
    blob: BlobRef
    def __init__(self, name: _Optional[str] = ..., blob: _Optional[_Union[BlobRef, _Mapping]] = ...) -> None: ...

class Versions(_message.Message):
    __slots__ = ("python", "millstream", "cloudpickle", "pyarrow")
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    MILLSTREAM_FIELD_NUMBER: _ClassVar[int]
    CLOUDPICKLE_FIELD_NUMBER: _ClassVar[int]
    PYARROW_FIELD_NUMBER: _ClassVar[int]
    python: str
    millstream: str
    cloudpickle: str
    pyarrow: str
    def __init__(self, python: _Optional[str] = ..., millstream: _Optional[str] = ..., cloudpickle: _Optional[str] = ..., pyarrow: _Optional[str] = ...) -> None: ...

class OperatorSummary(_message.Message):
    __slots__ = ("id", "name", "kind", "uid", "keyed", "commits_outside")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    KEYED_FIELD_NUMBER: _ClassVar[int]
    COMMITS_OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    kind: str
    uid: str
    keyed: bool
    commits_outside: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., uid: _Optional[str] = ..., keyed: _Optional[bool] = ..., commits_outside: _Optional[bool] = ...) -> None: ...

class WatermarkAlignment(_message.Message):
    __slots__ = ("group", "max_drift", "update_interval")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_DRIFT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    group: str
    max_drift: int
    update_interval: int
    def __init__(self, group: _Optional[str] = ..., max_drift: _Optional[int] = ..., update_interval: _Optional[int] = ...) -> None: ...

class Vertex(_message.Message):
    __slots__ = ("id", "name", "parallelism", "max_parallelism", "slot_sharing_group", "operators", "functions", "triggered", "bounded", "alignment")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    SLOT_SHARING_GROUP_FIELD_NUMBER: _ClassVar[int]
    OPERATORS_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    TRIGGERED_FIELD_NUMBER: _ClassVar[int]
    BOUNDED_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    parallelism: int
    max_parallelism: int
    slot_sharing_group: str
    operators: _containers.RepeatedCompositeFieldContainer[OperatorSummary]
    functions: BlobRef
    triggered: bool
    bounded: bool
    alignment: WatermarkAlignment
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., parallelism: _Optional[int] = ..., max_parallelism: _Optional[int] = ..., slot_sharing_group: _Optional[str] = ..., operators: _Optional[_Iterable[_Union[OperatorSummary, _Mapping]]] = ..., functions: _Optional[_Union[BlobRef, _Mapping]] = ..., triggered: _Optional[bool] = ..., bounded: _Optional[bool] = ..., alignment: _Optional[_Union[WatermarkAlignment, _Mapping]] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("id", "source", "target", "partitioning", "exchange", "tag", "input")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PARTITIONING_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    id: int
    source: str
    target: str
    partitioning: Partitioning
    exchange: Exchange
    tag: str
    input: int
    def __init__(self, id: _Optional[int] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., partitioning: _Optional[_Union[Partitioning, str]] = ..., exchange: _Optional[_Union[Exchange, str]] = ..., tag: _Optional[str] = ..., input: _Optional[int] = ...) -> None: ...

class JobGraph(_message.Message):
    __slots__ = ("job", "name", "vertices", "edges", "versions", "configuration", "artifacts", "format")
    class ConfigurationEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERTICES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    job: str
    name: str
    vertices: _containers.RepeatedCompositeFieldContainer[Vertex]
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    versions: Versions
    configuration: _containers.ScalarMap[str, str]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    format: int
    def __init__(self, job: _Optional[str] = ..., name: _Optional[str] = ..., vertices: _Optional[_Iterable[_Union[Vertex, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ..., versions: _Optional[_Union[Versions, _Mapping]] = ..., configuration: _Optional[_Mapping[str, str]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., format: _Optional[int] = ...) -> None: ...
