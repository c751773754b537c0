"""Write the test vectors of the key hash, version 1: `proto/vectors/key_hash_v1.json` (protocols.md 11).

    python tools/key_vectors.py            writes the file
    python tools/key_vectors.py --check    exits with 1 if it would change

The vectors are the law in numbers, for whoever writes a second implementation and for whoever touches the first. A
key is described by its type and value in JSON, so that no Python is needed to read it; numbers that JSON would round
are texts. Version 1 never changes: a vector may be added, and a changed one means that stored state is no longer
found. Then the version has to change as well.
"""

import argparse
import dataclasses
import datetime
import enum
import json
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from millstream_dataflow.keys import canonical_bytes, key_group, key_hash, subtask_of

TARGET = Path(__file__).resolve().parent.parent / "proto" / "vectors" / "key_hash_v1.json"

# A description of a key as it stands in the file. Any: it is JSON.
Described = dict[str, Any]

MAX_PARALLELISM, PARALLELISM = 128, 6  # 6 doesn't divide 128: the ranges differ in width


def value(kind: str, text: object) -> Described:
    """A key that is one value."""
    return {"type": kind, "value": text}


def fields(*members: Described) -> Described:
    """A tuple of keys."""
    return {"type": "tuple", "fields": list(members)}


def record(qualname: str, **members: Described) -> Described:
    """A frozen dataclass of the module `vectors`."""
    return {"type": "dataclass", "module": "vectors", "qualname": qualname, "fields": members}


def member(qualname: str, name: str) -> Described:
    """An enum's member, of the module `vectors`."""
    return {"type": "enum", "module": "vectors", "qualname": qualname, "name": name}


NONE: Described = {"type": "none"}
NOON = "2026-03-01T12:00:00"

KEYS: tuple[Described, ...] = (
    NONE,
    *(value("bool", truth) for truth in (False, True)),
    *(value("int", str(n)) for n in (0, 1, -1, 127, 128, -128, -129, 255, 256, 1_000_000_007, 2**53 + 1)),
    *(value("int", str(n)) for n in (2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64 - 1, 2**64, 10**30, -(10**30))),
    *(value("float", text) for text in ("0.0", "-0.0", "1.0", "-7.0", "0.1", "-2.5", "1e18", "9223372036854775808.0")),
    *(value("float", text) for text in ("1e300", "5e-324", "inf", "-inf", "nan")),
    *(value("decimal", text) for text in ("1", "1.00", "-0", "1E+3", "170141183460469231731687303715884105728")),
    *(value("float32", text) for text in ("0.1", "16777216.0", "nan")),
    *(value("int8", text) for text in ("-1", "1")),
    value("uint64", "18446744073709551615"),
    *(value("str", text) for text in ("", "a", "flight", "12345678", "123456789", "a\0", "a\0\0", "0123456789abcdef")),
    *(value("str", text) for text in ("Z\u00fcrich", "\u6771\u4eac", "\U0001f600", "\ud800", "N14228 EWR-IAH 2013-01")),
    *(value("bytes", text) for text in ("", "61", "00", "0000000000000000", "0102030405060708090a0b0c0d0e0f10", "ff")),
    fields(),
    fields(NONE),
    fields(value("int", "1")),
    fields(value("str", "EWR"), value("int", "1545")),
    fields(value("int", "1545"), value("str", "EWR")),
    fields(fields(value("str", "a"), value("str", "b")), value("str", "c")),
    fields(value("str", "a"), fields(value("str", "b"), value("str", "c"))),
    fields(value("float", "nan"), value("int", "3"), value("bytes", "00ff")),
    record("Empty"),
    record("Flight", carrier=value("str", "UA"), number=value("int", "1545")),
    record("Leg", carrier=value("str", "UA"), number=value("int", "1545")),
    member("Colour", "RED"),
    member("Colour", "BLUE"),
    *(value("datetime", text) for text in ("1970-01-01T00:00:00", NOON, f"{NOON}+00:00", f"{NOON}.000001+05:30")),
    *(value("datetime", text) for text in ("1969-12-31T23:59:59.999999", "0001-01-01T00:00:00", "9999-12-31T23:59:59")),
    *(value("date", text) for text in ("1970-01-01", "2026-03-01", "1969-12-31", "0001-01-01", "9999-12-31")),
    *(value("uuid", text) for text in ("00000000-0000-0000-0000-000000000000", "12345678-1234-5678-1234-567812345678")),
)


def _dataclass_key(described: Described) -> object:
    names = list(described["fields"])
    cls: Any = dataclasses.make_dataclass(described["qualname"], names, frozen=True)
    cls.__module__, cls.__qualname__ = described["module"], described["qualname"]
    return cls(*map(key_of, described["fields"].values()))


def _enum_key(described: Described) -> object:
    name, qualname = described["name"], described["qualname"]
    make: Any = enum.Enum
    return make(qualname, [name], module=described["module"], qualname=qualname)[name]


BUILDERS: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "decimal": Decimal,
    "float32": np.float32,
    "int8": lambda text: np.int8(int(text)),
    "uint64": lambda text: np.uint64(int(text)),
    "str": str,
    "bytes": bytes.fromhex,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "uuid": uuid.UUID,
}


def key_of(described: Described) -> object:
    """The key that a description means."""
    match described["type"]:
        case "none":
            return None
        case "tuple":
            return tuple(map(key_of, described["fields"]))
        case "dataclass":
            return _dataclass_key(described)
        case "enum":
            return _enum_key(described)
        case kind:
            return BUILDERS[kind](described["value"])


def vector(described: Described) -> Described:
    """A description with what the law makes of it."""
    key = key_of(described)
    hashed = key_hash(key)
    group = key_group(hashed, MAX_PARALLELISM)
    return {
        "key": described,
        "canonical": canonical_bytes(key).hex(),
        "hash": f"{hashed:016x}",
        "group": group,
        "subtask": subtask_of(group, PARALLELISM, MAX_PARALLELISM),
    }


def render() -> str:
    """The whole file: a head, then a vector a line, so that a change reads as a diff."""
    head = {
        "law": "protocols.md 11",
        "version": 1,
        "max_parallelism": MAX_PARALLELISM,
        "parallelism": PARALLELISM,
    }
    lines = ",\n".join("    " + json.dumps(vector(described)) for described in KEYS)
    opening = json.dumps(head, indent=2).removesuffix("\n}")
    return f'{opening},\n  "vectors": [\n{lines}\n  ]\n}}\n'


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description="Write the test vectors of the key hash.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file would change")
    if not parser.parse_args().check:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(render(), encoding="ascii")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="ascii") == render():
        return 0
    sys.stderr.write(f"{TARGET.name} is not what tools/key_vectors.py writes: stored keys would no longer be found\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
