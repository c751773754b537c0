"""Write the savepoint that this version leaves to all later ones: `tests/data/savepoints/<version>/`.

    python tools/make_savepoint.py 0.1.0

It is made once for each version, and never again: what is there stays as it is (tests/data/savepoints/README.md).
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "data" / "savepoints"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("version", help="the version of Millstream whose savepoint this is")
    directory = TARGET / parser.parse_args().version
    if directory.exists():
        print(f"{directory} is there, and a kept savepoint is never made anew; name another version", file=sys.stderr)
        return 1
    sys.path.insert(0, str(ROOT))
    from tests.support.savepoints import save  # noqa: PLC0415  # its place is known now

    save(directory)
    print(f"{directory}: {sum(file.stat().st_size for file in directory.iterdir()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
