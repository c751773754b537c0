"""User code as bytes: what travels, what can't, and the same bytes for the same program."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import cloudpickle  # type: ignore[import-untyped]  # it has no types
import pytest

from millstream.compiler.class_ids import Pickler
from millstream.compiler.pickling import blob_of, by_value, dumps
from millstream.datastream.data_stream import DataStream
from millstream.errors import NotPicklableError
from millstream_dataflow.functions import MapFunction
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.unit.client.programs import compiled, environment, numbers

HERE = r"tests/unit/client/test_pickling\.py:\d+"
T = TypeVar("T")


class Connection:
    def __init__(self) -> None:
        self.lock = threading.Lock()


class Parse(MapFunction[int, int]):
    def __init__(self) -> None:
        self.client = Connection()

    def map(self, value: int) -> int:
        return value


@dataclass
class Stubborn:
    items: list[int] = field(default_factory=list[int])

    def __getstate__(self) -> dict[str, object]:
        raise RuntimeError("not while I am open")


def refusal(function: Callable[..., Any], name: str = "") -> str:
    env = environment()
    stream = numbers(env).map(function)
    if name:
        stream.name(name)
    with pytest.raises(NotPicklableError) as caught:
        compiled(env)
    return str(caught.value)


def by_value_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """As if this module were the script: cloudpickle takes the function apart."""
    function.__module__ = "__main__"
    return function


def test_a_blob_is_the_chain() -> None:
    env = environment()
    numbers(env).map(lambda x: x + 41).filter(bool)
    job = compiled(env)
    [vertex] = job.graph.vertices
    data = job.blobs[vertex.functions.digest]
    assert blob_of(data) == vertex.functions
    chain = cloudpickle.loads(data)
    assert isinstance(chain, ChainSpecification)
    assert [(node.name, node.parent) for node in chain.nodes] == [("Source: Collection", -1), ("Map", 0), ("Filter", 1)]
    assert chain.nodes[1].specification.function(1) == 42  # type: ignore[attr-defined]  # it is the map's


def test_the_declared_type_of_each_output_travels_with_its_operator() -> None:
    env = environment()
    numbers(env).map(str, output_type=Types.STRING()).map(len)
    job = compiled(env)
    [vertex] = job.graph.vertices
    chain = cloudpickle.loads(job.blobs[vertex.functions.digest])
    assert [node.type for node in chain.nodes][1] == Types.STRING()


def test_the_attribute_that_can_not_travel_is_named() -> None:
    message = refusal(Parse(), "parse")  # type: ignore[arg-type]  # an object will do
    head, _, rest = message.partition(": ")
    assert head.startswith('operator Map "parse" (tests/unit/client/test_pickling.py:')
    assert rest == (
        "self.client.lock is a _thread.lock, which can't be pickled to travel to the workers; "
        "make it in open(), which runs in the worker, or leave it out in __getstate__"
    )


def test_so_is_the_variable_of_a_closure() -> None:
    connection = Connection()
    message = refusal(lambda x: (connection, x))
    assert "connection.lock is a _thread.lock (connection is a variable of the function around <lambda>)" in message
    assert message.endswith("make it inside the function, or in open() of a function class such as MapFunction")


def test_so_is_a_key_selector_of_another_vertex() -> None:
    lock = threading.Lock()
    env = environment()
    numbers(env).key_by(lambda x: (lock, x)).sum()
    with pytest.raises(NotPicklableError, match=r"lock is a _thread\.lock"):
        compiled(env)


def test_so_is_a_value_of_a_collection() -> None:
    env = environment()
    env.from_collection([1, threading.Lock()]).print()
    with pytest.raises(NotPicklableError, match=r'Source "Source: Collection".*self.values\[1\] is a _thread.lock'):
        compiled(env)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s,
        lambda s: s.get_execution_environment(),
        lambda s: s.key_by(abs).window(TumblingEventTimeWindows.of(1)),
        lambda s: s.print(),
    ],
)
def test_a_function_that_uses_a_part_of_the_program_is_refused(make: Callable[[DataStream[int]], object]) -> None:
    part = make(numbers(environment()))
    assert f"part is a {type(part).__module__}.{type(part).__name__} (part is a" in refusal(lambda x: (part, x))


def test_an_error_of_a_user_class_is_quoted() -> None:
    stubborn = Stubborn()
    message = refusal(lambda x: (stubborn, x))
    assert "stubborn is a " in message
    assert "(RuntimeError: not while I am open)" in message


def test_the_path_is_an_attribute_of_the_error() -> None:
    env = environment()
    numbers(env).map(Parse())
    with pytest.raises(NotPicklableError) as caught:
        compiled(env)
    assert caught.value.path == "self.client.lock"
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_module_that_no_worker_has_travels_by_value_for_as_long_as_it_is_told() -> None:
    here = sys.modules[__name__]
    assert b"test_pickling" in dumps(Parse)
    assert len(dumps(Parse)) < 200
    with by_value([here]):
        assert len(dumps(Parse)) > 400
    assert __name__ not in cloudpickle.list_registry_pickle_by_value()


def test_a_test_that_makes_a_job_travels_inside_it() -> None:
    env = environment()
    numbers(env).map(helper_of_this_test)
    job = compiled(env)
    assert b"a word that stands in the body" in job.blobs[job.graph.vertices[0].functions.digest]


def helper_of_this_test(value: int) -> str:
    return f"a word that stands in the body {value}"


class TestClassIds:
    """cloudpickle's ids of classes are made steady."""

    def test_the_private_names_of_cloudpickle_are_there(self) -> None:
        class Local:
            pass

        Local.__module__ = "__main__"
        assert dumps(Local) == dumps(Local)
        assert cloudpickle.loads(dumps(Local)) is Local
        assert issubclass(Pickler, cloudpickle.Pickler)

    def test_two_classes_of_one_name_keep_apart(self) -> None:
        def make() -> type:
            class Event:
                pass

            Event.__module__ = "__main__"
            return Event

        first, second = make(), make()
        assert cloudpickle.loads(dumps(first)) is first
        assert cloudpickle.loads(dumps(second)) is second

    def test_a_generic_class_of_the_script_travels(self) -> None:
        class Box(Generic[T]):
            pass

        Box.__module__ = "__main__"
        assert cloudpickle.loads(dumps(Box)) is Box


PROGRAM = """
from dataclasses import dataclass
from typing import NamedTuple
from tests.unit.client.programs import compiled, environment, numbers

class Pair(NamedTuple):
    left: int
    right: int

@dataclass(frozen=True)
class Event:
    name: str
    def upper(self): return self.name.upper()

LIMIT = 7
def parse(x): return Event(str(x + LIMIT))

env = environment(parallelism_default=2)
events = numbers(env).map(parse).map(lambda e: Pair(len(e.upper()), 1))
events.key_by("left").sum("right").print()
job = compiled(env)
print([vertex.functions.digest for vertex in job.graph.vertices], job.graph.edges)
"""


def test_the_same_program_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(PROGRAM)
    runs = [
        subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=_environment(seed))
        for seed in (1, 2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""


def test_the_same_program_gives_the_same_bytes_in_the_same_process() -> None:
    def program() -> object:
        env = environment(parallelism_default=2)
        numbers(env).map(lambda x: x + 1).key_by(lambda x: x % 2).sum().print()
        job = compiled(env)
        return job.graph, dict(job.blobs)

    assert program() == program()


def _environment(seed: int) -> dict[str, str]:
    """With the import path of this process: the packages may not be installed."""
    return {"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONHASHSEED": str(seed)}


def test_a_class_that_a_type_has_looked_at_travels_by_value() -> None:
    """Its cache of msgspec stays behind, since it can't be pickled."""

    class Looked(NamedTuple):
        number: int

    Types.NAMED_TUPLE(Looked)
    assert "__msgspec_cache__" in vars(Looked)
    assert pickle.loads(dumps(Looked))(7) == Looked(7)
