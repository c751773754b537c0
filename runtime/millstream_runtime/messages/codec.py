"""Between a dataclass and the protobuf message of the same name, by reflection on the dataclass alone.

The rules, one per kind of field: NewTypes travel as what they are made of; an enum member as the proto value with the
enum's name before it; `tuple[X, ...]` as repeated; `Mapping[str, str]` as map; `X | None` as presence; a union of
dataclasses as a oneof named like the field, its members named `<field>_<class>`; an envelope's body as a oneof called
`body`, its members named like the classes. A converter is built once per class.
"""

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from millstream_proto import (
    blobs_pb2,
    client_pb2,
    controls_pb2,
    deployments_pb2,
    failures_pb2,
    identity_pb2,
    job_graph_pb2,
    record_pb2,
    session_pb2,
    snapshots_pb2,
    states_pb2,
    worker_pb2,
)

T = TypeVar("T")
Convert = Callable[[Any], Any]

_MODULES = (
    identity_pb2,
    job_graph_pb2,
    states_pb2,
    failures_pb2,
    snapshots_pb2,
    deployments_pb2,
    session_pb2,
    worker_pb2,
    client_pb2,
    controls_pb2,
    record_pb2,
    blobs_pb2,
    controls_pb2,
)


class MalformedMessageError(ValueError):
    """Bytes arrived that are no message of the expected kind, or one with a part missing."""


def snake_case(name: str) -> str:
    """`TaskStateChanged` -> `task_state_changed`, as oneof members are named."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _plain(value: Any) -> Any:  # noqa: ANN401  # a scalar of any kind
    return value


_message_classes: dict[type, type[Message]] = {}


def message_class(cls: type) -> type[Message]:
    """The protobuf class of a dataclass; LookupError when there is none."""
    if cls in _message_classes:
        return _message_classes[cls]
    for module in _MODULES:
        found = getattr(module, cls.__name__, None)
        if found is not None:
            _message_classes[cls] = typing.cast("type[Message]", found)
            return _message_classes[cls]
    raise LookupError(f"no .proto has a message {cls.__name__}; add it and run: make proto")


def _enum_maps(cls: type[Enum]) -> tuple[dict[Enum, int], dict[int, Enum]]:
    for module in _MODULES:
        wire = getattr(module, cls.__name__, None)
        if wire is not None:
            prefix = snake_case(cls.__name__).upper()
            there = {member: int(wire.Value(f"{prefix}_{member.name}")) for member in cls}
            return there, {number: member for member, number in there.items()}
    raise LookupError(f"no .proto has an enum {cls.__name__}; add it and run: make proto")


def _enum_reader(cls: type[Enum]) -> Convert:
    back = _enum_maps(cls)[1]

    def read(number: int) -> Enum:
        if number not in back:
            raise MalformedMessageError(f"{number} is no {cls.__name__}; does the sender run a newer Millstream?")
        return back[number]

    return read


def _single(hint: Any) -> tuple[Convert, Convert]:  # noqa: ANN401  # a type hint has no type of its own
    """Converters of one value, to the wire and back."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if hint in (int, str, bytes, bool, float):
        return _plain, _plain
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_maps(hint)[0].__getitem__, _enum_reader(hint)
    return to_message, lambda message: from_message(hint, message)


Writer = Callable[[Any, dict[str, Any]], None]
Reader = Callable[[Any], Any]


def _field_converters(name: str, hint: Any) -> tuple[Writer, Reader]:  # noqa: ANN401  # a type hint
    """How one field of a dataclass is put into a message's arguments, and read from the message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        write_item, read_item = _single(arguments[0])
        return (
            lambda value, out: out.__setitem__(name, [write_item(item) for item in value]),
            lambda message: tuple(read_item(item) for item in getattr(message, name)),
        )
    if origin is Mapping:
        return (
            lambda value, out: out.__setitem__(name, dict(value)),
            lambda message: dict(getattr(message, name)),
        )
    if origin in (types.UnionType, typing.Union):
        options = [option for option in arguments if option is not type(None)]
        return _optional(name, options[0]) if len(options) == 1 else _oneof(name, options)
    write, read = _single(hint)
    if is_dataclass(hint):
        return lambda value, out: out.__setitem__(name, write(value)), _required(name, read)
    return (
        lambda value, out: out.__setitem__(name, write(value)),
        lambda message: read(getattr(message, name)),
    )


def _required(name: str, read: Convert) -> Reader:
    def reader(message: Any) -> Any:  # noqa: ANN401  # any message class
        if not message.HasField(name):
            raise MalformedMessageError(f"{type(message).__name__} came without its {name}")
        return read(getattr(message, name))

    return reader


def _optional(name: str, hint: Any) -> tuple[Writer, Reader]:  # noqa: ANN401  # a type hint
    write, read = _single(hint)

    def writer(value: Any, out: dict[str, Any]) -> None:  # noqa: ANN401  # any field's value
        if value is not None:
            out[name] = write(value)

    return writer, lambda message: read(getattr(message, name)) if message.HasField(name) else None


def _oneof(name: str, options: list[type]) -> tuple[Writer, Reader]:
    members = {option: f"{name}_{snake_case(option.__name__)}" for option in options}
    classes = {member: option for option, member in members.items()}

    def writer(value: Any, out: dict[str, Any]) -> None:  # noqa: ANN401  # any field's value
        if value is not None:
            out[members[type(value)]] = to_message(value)

    def reader(message: Any) -> Any:  # noqa: ANN401  # any message class
        member = message.WhichOneof(name)
        return None if member is None else from_message(classes[member], getattr(message, member))

    return writer, reader


_known_converters: dict[type, tuple[tuple[str, Writer, Reader], ...]] = {}


def _converters(cls: type) -> tuple[tuple[str, Writer, Reader], ...]:
    if cls not in _known_converters:
        hints = typing.get_type_hints(cls)
        _known_converters[cls] = tuple((f.name, *_field_converters(f.name, hints[f.name])) for f in fields(cls))
    return _known_converters[cls]


def to_message(value: Any) -> Any:  # noqa: ANN401  # generated classes are untyped here
    """The protobuf message of a dataclass value."""
    cls = type(value)
    out: dict[str, Any] = {}
    for name, write, _ in _converters(cls):
        write(getattr(value, name), out)
    return message_class(cls)(**out)


def from_message(cls: type[T], message: Any) -> T:  # noqa: ANN401  # generated classes are untyped here
    """The dataclass value of a protobuf message; MalformedMessageError when something that must be there isn't."""
    return cls(**{name: read(message) for name, _, read in _converters(cls)})


def encode(value: object) -> bytes:
    """A dataclass value as bytes, the same for equal values."""
    return typing.cast("bytes", to_message(value).SerializeToString(deterministic=True))


def decode(cls: type[T], data: bytes) -> T:
    """The value that `encode` made these bytes of; MalformedMessageError for any other bytes."""
    message = message_class(cls)()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedMessageError(f"{len(data)} bytes that are no {cls.__name__}") from error
    return from_message(cls, message)


def to_body(envelope: type[Message], value: object, **head: Any) -> Any:  # noqa: ANN401  # any envelope's fields
    """An envelope with `value` as its body and `head` as its other fields."""
    return envelope(**head, **{snake_case(type(value).__name__): to_message(value)})


def body_reader(union: Any) -> Callable[[Any], Any]:  # noqa: ANN401  # a union of dataclasses has no type of its own
    """A function that takes an envelope and gives its body, one of the union's classes."""
    classes = {snake_case(cls.__name__): cls for cls in typing.get_args(union)}

    def read(envelope: Any) -> Any:  # noqa: ANN401  # any envelope
        member = envelope.WhichOneof("body")
        if member not in classes:
            raise MalformedMessageError(f"{type(envelope).__name__} came with the body {member}")
        return from_message(classes[member], getattr(envelope, member))

    return read
