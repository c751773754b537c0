"""User code as bytes: one blob per vertex, made by cloudpickle, addressed by its SHA-256.

The script itself (`__main__`) and notebook code travel by value, as cloudpickle does it; so do modules that a worker
could not import, which are registered for as long as the pickling lasts. Everything else goes by reference (law
12.1).

The same program gives the same bytes. (A set of strings is the exception: Python salts its order, unless
PYTHONHASHSEED is set.)
"""

import contextlib
import hashlib
import io
import pickle
from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields
from types import FunctionType, ModuleType
from typing import Any, Final, cast

import cloudpickle  # type: ignore[import-untyped]  # it has no types

from millstream.compiler.class_ids import Pickler
from millstream.compiler.culprit import Culprit, find_culprit
from millstream.compiler.naming import function_name
from millstream.errors import NotPicklableError
from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import BlobRef
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification

PROTOCOL: Final = 5
"""Of pickle; every Python that can run a worker reads it."""

_IN_OPEN = "make it in open(), which runs in the worker, or leave it out in __getstate__"
_IN_FUNCTION = "make it inside the function, or in open() of a function class such as MapFunction"


def blob_of(data: bytes) -> BlobRef:
    """The address of some bytes."""
    return BlobRef(Digest(hashlib.sha256(data).hexdigest()), len(data))


def pickle_chain(chain: ChainSpecification, labels: Sequence[str]) -> bytes:
    """A vertex as its blob. `labels` name its operators; NotPicklableError names the part that can't travel."""
    try:
        return dumps(chain)
    except Exception as error:  # user classes raise what they like while they are pickled
        raise _refusal(chain, labels, error) from error


def dumps(value: object) -> bytes:
    """The bytes of any value."""
    with io.BytesIO() as stream:
        Pickler(stream, protocol=PROTOCOL).dump(value)
        return stream.getvalue()


def is_picklable(value: object) -> bool:
    """Whether a value can travel."""
    try:
        dumps(value)
    except Exception:  # noqa: BLE001  # user classes raise what they like while they are pickled
        return False
    return True


@contextlib.contextmanager
def by_value(modules: Sequence[ModuleType]) -> Generator[None]:
    """Within the block, what these modules define travels by value."""
    registered = cast("set[str]", cloudpickle.list_registry_pickle_by_value())
    fresh = [module for module in modules if module.__name__ not in registered]
    for module in fresh:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in fresh:
            cloudpickle.unregister_pickle_by_value(module)


# ------------------------------------------------------------------------------------------------- refusals


def _refusal(chain: ChainSpecification, labels: Sequence[str], error: Exception) -> NotPicklableError:
    for node, label in zip(chain.nodes, labels, strict=True):
        for path, value in _given(node.specification):
            if not is_picklable(value):
                return _named(find_culprit(value, path, is_picklable), value, label, node.defined_at, error)
    for output in chain.outputs:
        for value in (output.key, output.partitioner):
            if not is_picklable(value):
                culprit = find_culprit(value, "the key selector or partitioner", is_picklable)
                node = chain.nodes[output.node]
                return _named(culprit, value, labels[output.node], node.defined_at, error)
    what = f"its functions can't be pickled to travel to the workers: {error}"
    return NotPicklableError(what, _IN_FUNCTION, operator=", ".join(labels), defined_at=chain.nodes[0].defined_at)


def _given(specification: OperatorSpecification) -> Iterator[tuple[str, object]]:
    """What the user gave to an operator, each with what he would call it in the code of it."""
    for field in fields(cast("Any", specification)):
        value: object = getattr(specification, field.name)
        for part in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
            given = part.selector if isinstance(part, KeySelection) else part
            yield (function_name(given) if isinstance(given, FunctionType) else "self"), given


def _named(culprit: Culprit, value: object, label: str, defined_at: str, error: Exception) -> NotPicklableError:
    what = f"{culprit}, which can't be pickled to travel to the workers"
    if not isinstance(error, TypeError | AttributeError | pickle.PicklingError):
        what += f" ({type(error).__name__}: {error})"
    mend = _IN_FUNCTION if isinstance(value, FunctionType) else _IN_OPEN
    return NotPicklableError(what, mend, operator=label, defined_at=defined_at, path=culprit.path)
