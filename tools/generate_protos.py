"""Generates the Python of proto/**/*.proto, beside each file; `--check` only says what is stale.

The results are committed: whoever installs Millstream needs no compiler, and a change of a contract is seen in
review. A file with a `service` gets a `_pb2_grpc.py` as well.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICE = re.compile(r"\bservice\s+\w+\s*\{")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def proto_files(source: Path) -> list[Path]:
    """Names, relative to the folder, of the contracts in it."""
    return sorted(path.relative_to(source) for path in source.rglob("*.proto"))


def generated_files(folder: Path) -> dict[Path, bytes]:
    """Generated files below a folder, by relative name."""
    paths = [path for pattern in GENERATED for path in folder.rglob(pattern)]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def generate(source: Path, target: Path) -> None:
    """Run protoc over every contract in `source`; raises SystemExit with its exit code when it refuses one."""
    # Imported late, so that the rest is testable without the compiler; the package carries no types.
    from grpc_tools import protoc  # type: ignore[import-untyped]  # noqa: PLC0415  # see the line above

    names = proto_files(source)
    with_service = [name for name in names if SERVICE.search((source / name).read_text(encoding="utf-8"))]
    well_known = Path(protoc.__file__).parent / "_proto"
    include = ["protoc", f"-I{source}", f"-I{well_known}"]
    runs = [
        (names, [f"--python_out={target}", f"--pyi_out={target}"]),
        (with_service, [f"--grpc_python_out={target}"]),
    ]
    for files, outputs in runs:
        if files and (code := protoc.main([*include, *outputs, *map(str, files)])):
            raise SystemExit(code)


def differences(fresh: dict[Path, bytes], there: dict[Path, bytes]) -> list[str]:
    """What `make proto` would change, a line each."""
    missing = [f"{name} is missing" for name in fresh.keys() - there.keys()]
    left_over = [f"{name} has no .proto any more" for name in there.keys() - fresh.keys()]
    stale = [f"{name} is stale" for name in fresh.keys() & there.keys() if fresh[name] != there[name]]
    return sorted([*missing, *left_over, *stale])


def write(folder: Path, fresh: dict[Path, bytes], there: dict[Path, bytes]) -> None:
    """Bring the folder to the fresh state; an unchanged file keeps its time."""
    for name in there.keys() - fresh.keys():
        (folder / name).unlink()
    for name, content in fresh.items():
        if there.get(name) != content:
            (folder / name).write_bytes(content)


def main(arguments: list[str], folder: Path = ROOT / "proto") -> int:
    """Generate or check; the exit code is 1 when a check finds something stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list what is stale")
    only_check: bool = parser.parse_args(arguments).check

    with tempfile.TemporaryDirectory() as temporary:
        generate(folder, Path(temporary))
        fresh = generated_files(Path(temporary))
    there = generated_files(folder)
    changes = differences(fresh, there)
    if only_check:
        for change in changes:
            print(f"{folder.name}/{change}; run: make proto")
        return 1 if changes else 0
    write(folder, fresh, there)
    print(f"{len(fresh)} generated files in {folder.name}/, {len(changes)} of them changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
