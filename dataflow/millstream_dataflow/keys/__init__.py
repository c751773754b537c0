"""Keys: which values may be one, when two are the same, and which subtask owns them (protocols.md 11).

Read in this order:

* `errors`      the refusal, and what to use instead of what was refused
* `forms`       the law's "first rule that fits", in one place: every accepted key becomes one of eleven plain forms
* `hashing`     `key_hash`, the 64-bit hash that is equal in every process, on every platform, in rows and columns
* `canonical`   `canonical_bytes`, the identity of a key on disk and between processes
* `identity`    `key_identity`, the same identity as a dictionary key in memory, at the speed of C for plain types
* `groups`      from a hash to a key group, from a group to the subtask that owns it
* `arrays`      the hash's arithmetic over numpy arrays
* `columns`     `hash_array`, the hash of an Arrow column
* `vectorised`  `hash_batch`, the hash of a list of keys, and the batch forms of `groups`

Three properties carry everything above and are tested over all types: equal canonical bytes imply equal hashes; two
identities are equal exactly when the canonical bytes are; the vectorised hash of a value is its scalar hash.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from millstream_dataflow.keys.canonical import CANONICAL_VERSION, canonical_bytes
from millstream_dataflow.keys.errors import UnstableKeyError
from millstream_dataflow.keys.forms import CanonicalFields, check_key_type
from millstream_dataflow.keys.groups import (
    MAX_PARALLELISM_LIMIT,
    default_max_parallelism,
    group_range,
    key_group,
    subtask_of,
)
from millstream_dataflow.keys.hashing import HASH_VERSION, key_hash
from millstream_dataflow.keys.identity import are_all, identities, key_identity

if TYPE_CHECKING:
    from millstream_dataflow.keys.columns import hash_array
    from millstream_dataflow.keys.vectorised import groups_of_batch, hash_batch, subtasks_of_batch

__all__ = [
    "CANONICAL_VERSION",
    "HASH_VERSION",
    "MAX_PARALLELISM_LIMIT",
    "CanonicalFields",
    "UnstableKeyError",
    "are_all",
    "canonical_bytes",
    "check_key_type",
    "default_max_parallelism",
    "group_range",
    "groups_of_batch",
    "hash_array",
    "hash_batch",
    "identities",
    "key_group",
    "key_hash",
    "key_identity",
    "subtask_of",
    "subtasks_of_batch",
]

_VECTORISED = {
    "groups_of_batch": "millstream_dataflow.keys.vectorised",
    "hash_array": "millstream_dataflow.keys.columns",
    "hash_batch": "millstream_dataflow.keys.vectorised",
    "subtasks_of_batch": "millstream_dataflow.keys.vectorised",
}


def __getattr__(name: str) -> object:
    """What needs numpy and Arrow is imported when it is asked for: workers do, a program doesn't."""
    if name not in _VECTORISED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_VECTORISED[name]), name)
    return value
