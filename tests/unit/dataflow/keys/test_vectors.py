"""The vectors of `proto/vectors/key_hash_v1.json`, read by a second implementation written from the law's text alone.

It reads the described keys, not Python objects, and shares nothing with the package: what both agree on is the law.
"""

import datetime
import json
import math
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from millstream_dataflow.keys import canonical_bytes, hash_batch, key_group, key_hash, subtask_of
from tools.key_vectors import TARGET, key_of, render

Described = dict[str, Any]

FILE: Described = json.loads(TARGET.read_text(encoding="ascii"))
VECTORS: list[Described] = FILE["vectors"]
TWO_64 = 2**64


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) % TWO_64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % TWO_64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % TWO_64
    return x ^ (x >> 31)


def hash_of_bytes(data: bytes) -> int:
    h = (len(data) * 0xFF51AFD7ED558CCD) % TWO_64 ^ 0x9E3779B97F4A7C15
    padded = data + bytes(-len(data) % 8) if data else bytes(8)
    for (word,) in struct.iter_unpack("<Q", padded):
        h = (h ^ word) * 0x9E3779B97F4A7C15 % TWO_64
        h ^= h >> 32
        h = h * 0xFF51AFD7ED558CCD % TWO_64
        h ^= h >> 29
    return h


def twos_complement(number: int) -> bytes:
    length = 1
    while not -(2 ** (8 * length - 1)) <= number < 2 ** (8 * length - 1):
        length += 1
    modulus: int = 2 ** (8 * length)
    return (number % modulus).to_bytes(length, "little")


def u32(number: int) -> bytes:
    return struct.pack("<I", number)


def number_of(described: Described) -> float:
    """The exact value: an int where there is one, otherwise a float."""
    text: Any = described["value"]
    match described["type"]:
        case "bool":
            return int(text)
        case "int" | "int8" | "uint64":
            return int(text)
        case "decimal":
            return int(Decimal(text))
        case "float32":
            value = struct.unpack("<f", struct.pack("<f", float(text)))[0]
        case _:
            value = float(text)
    return int(value) if math.isfinite(value) and value == math.floor(value) else value


def microseconds(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def days(text: str) -> int:
    return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


def bits(number: float) -> int:
    return 0x7FF8000000000000 if math.isnan(number) else int.from_bytes(struct.pack(">d", number))


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def sequence_hash(hashes: list[int]) -> int:
    h = 0x51
    for field in hashes:
        h = mix(h ^ field)
    return h


def law_hash(described: Described) -> int:
    reader = LAW_HASHES.get(described["type"])
    return law_hash_of_number(number_of(described)) if reader is None else reader(described)


def law_hash_of_number(number: float) -> int:
    if not isinstance(number, int):
        return mix(bits(number))
    return mix(number % TWO_64) if -(2**63) <= number < 2**63 else hash_of_bytes(twos_complement(number))


def named(*names: str) -> bytes:
    return b"".join(u32(len(utf8(name))) + utf8(name) for name in names)


def sequence_bytes(fields: list[Described]) -> bytes:
    encoded = [law_bytes(field) for field in fields]
    return u32(len(fields)) + b"".join(u32(len(field)) + field for field in encoded)


def names_of(described: Described) -> list[str]:
    return [described[part] for part in ("module", "qualname", "name") if part in described]


def law_bytes_of_number(number: float) -> bytes:
    if isinstance(number, int):
        return bytes([1]) + twos_complement(number)
    return bytes([2]) + struct.pack("<Q", bits(number))


def law_bytes(described: Described) -> bytes:
    if described["type"] not in LAW_BYTES:
        return law_bytes_of_number(number_of(described))
    tag, payload = LAW_BYTES[described["type"]]
    return bytes([tag]) + payload(described)


# By the type of the described key; the numbers are whatever is not listed.
LAW_HASHES: dict[str, Callable[[Described], int]] = {
    "none": lambda _: 0,
    "str": lambda key: hash_of_bytes(utf8(key["value"])),
    "bytes": lambda key: hash_of_bytes(bytes.fromhex(key["value"])),
    "tuple": lambda key: sequence_hash(list(map(law_hash, key["fields"]))),
    "dataclass": lambda key: sequence_hash(list(map(law_hash, key["fields"].values()))),
    "enum": lambda key: sequence_hash([hash_of_bytes(utf8(name)) for name in names_of(key)]),
    "datetime": lambda key: mix(microseconds(key["value"]) % TWO_64),
    "date": lambda key: mix(days(key["value"]) % TWO_64),
    "uuid": lambda key: hash_of_bytes(uuid.UUID(key["value"]).bytes),
}
LAW_BYTES: dict[str, tuple[int, Callable[[Described], bytes]]] = {
    "none": (0, lambda _: b""),
    "str": (3, lambda key: utf8(key["value"])),
    "bytes": (4, lambda key: bytes.fromhex(key["value"])),
    "tuple": (5, lambda key: sequence_bytes(key["fields"])),
    "dataclass": (6, lambda key: named(*names_of(key)) + sequence_bytes(list(key["fields"].values()))),
    "enum": (7, lambda key: named(*names_of(key))),
    "datetime": (8, lambda key: struct.pack("<q", microseconds(key["value"]))),
    "date": (9, lambda key: struct.pack("<i", days(key["value"]))),
    "uuid": (10, lambda key: uuid.UUID(key["value"]).bytes),
}


def name_of(vector: Described) -> str:
    key = vector["key"]
    return f"{key['type']}-{key.get('value', key.get('qualname', ''))}".encode("ascii", "backslashreplace").decode()


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_a_vector_says_what_the_law_says(vector: Described) -> None:
    assert vector["canonical"] == law_bytes(vector["key"]).hex()
    assert vector["hash"] == f"{law_hash(vector['key']):016x}"
    assert vector["group"] == int(vector["hash"], 16) % FILE["max_parallelism"]
    assert vector["subtask"] == vector["group"] * FILE["parallelism"] // FILE["max_parallelism"]


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_our_own_hash_agrees_with_the_vector(vector: Described) -> None:
    key = key_of(vector["key"])
    hashed = key_hash(key)
    assert f"{hashed:016x}" == vector["hash"]
    assert canonical_bytes(key).hex() == vector["canonical"]
    group = key_group(hashed, FILE["max_parallelism"])
    assert (group, subtask_of(group, FILE["parallelism"], FILE["max_parallelism"])) == (
        vector["group"],
        vector["subtask"],
    )


def test_the_vectors_in_one_batch() -> None:
    expected = np.array([int(vector["hash"], 16) for vector in VECTORS], np.uint64)
    assert (hash_batch([key_of(vector["key"]) for vector in VECTORS]) == expected).all()


def test_the_file_is_what_the_tool_writes() -> None:
    assert TARGET.read_text(encoding="ascii") == render(), "mend: python tools/key_vectors.py, and read its docstring"


def test_splitmix64_is_the_published_one() -> None:
    """The first three outputs of Vigna's splitmix64.c from the seed 0."""
    states = [n * 0x9E3779B97F4A7C15 % TWO_64 for n in range(3)]
    assert [mix(state) for state in states] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
