"""Every message between processes has the same fields in its dataclass and its .proto, and survives the wire."""

import dataclasses
import importlib
import inspect
import types
import typing
from collections.abc import Iterator
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_proto import session_pb2, worker_pb2
from millstream_runtime.messages import codec, session, worker

MODULES = (
    "millstream_dataflow.identity",
    "millstream_dataflow.job_graph",
    "millstream_dataflow.time.alignment",
    "millstream_runtime.messages.failures",
    "millstream_runtime.messages.snapshots",
    "millstream_runtime.messages.deployments",
    "millstream_runtime.messages.session",
    "millstream_runtime.messages.worker",
    "millstream_runtime.messages.client",
    "millstream_runtime.messages.record",
)


def message_classes() -> Iterator[type]:
    for name in MODULES:
        module = importlib.import_module(name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == name and dataclasses.is_dataclass(cls):
                yield cls


CLASSES = list(message_classes())
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False))  # which equals nothing, not even itself


def strategy(hint: typing.Any) -> st.SearchStrategy[typing.Any]:  # noqa: ANN401  # a type hint
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return st.lists(strategy(arguments[0]), max_size=2).map(tuple)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([strategy(option) for option in arguments])
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: strategy(hints[field.name]) for field in dataclasses.fields(hint)})
    if hint is type(None):
        return st.none()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if origin is not None:
        return st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
    return st.from_type(typing.cast("type[object]", hint))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_fields_are_the_same_in_dataclass_and_proto(cls: type) -> None:
    wire = set()
    for field in codec.message_class(cls).DESCRIPTOR.fields:
        inside = field.containing_oneof
        if inside is None or (len(inside.fields) == 1 and inside.name.startswith("_")):
            wire.add(field.name)
        else:
            wire.add(inside.name)
    assert wire == {field.name for field in dataclasses.fields(cls)}, f"{cls.__name__} differs; mend its .proto"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_message_survives_the_wire(cls: type) -> None:
    @given(strategy(cls))
    def survives(value: object) -> None:
        assert codec.decode(cls, codec.encode(value)) == value

    survives()


@pytest.mark.parametrize(
    ("envelope", "union"),
    [
        (session_pb2.TaskManagerMessage, session.FromTaskManager),
        (session_pb2.JobManagerMessage, session.FromJobManager),
        (worker_pb2.ToWorker, worker.ToWorker),
        (worker_pb2.FromWorker, worker.FromWorker),
    ],
)
def test_an_envelope_takes_exactly_the_messages_of_its_union(envelope: typing.Any, union: typing.Any) -> None:  # noqa: ANN401  # generated code
    members = {field.name for field in envelope.DESCRIPTOR.oneofs_by_name["body"].fields} - {"part"}
    assert members == {codec.snake_case(cls.__name__) for cls in typing.get_args(union)}


def test_a_body_comes_out_of_its_envelope() -> None:
    read = codec.body_reader(session.FromJobManager)
    envelope = codec.to_body(session_pb2.JobManagerMessage, session.Heartbeat(7), epoch=3)
    assert (envelope.epoch, read(envelope)) == (3, session.Heartbeat(7))


def test_garbage_is_refused_by_name() -> None:
    with pytest.raises(codec.MalformedMessageError, match="3 bytes that are no Heartbeat"):
        codec.decode(session.Heartbeat, b"\xff\xff\xff")


def test_a_missing_part_is_refused_by_name() -> None:
    with pytest.raises(codec.MalformedMessageError, match="TaskStateChanged came without its report"):
        codec.decode(session.TaskStateChanged, b"")


def test_an_enum_value_of_a_newer_version_is_refused() -> None:
    message = codec.message_class(session.StopSources)(mode=99)
    with pytest.raises(codec.MalformedMessageError, match="99 is no StopMode"):
        codec.from_message(session.StopSources, message)
