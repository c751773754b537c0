"""`python -m benchmarks NAME [--json]`: run one benchmark, or all."""

import argparse
import importlib
import sys

from benchmarks.harness import WrongResultError, show

NAMES = ("map_filter", "window_python", "exchange", "latency", "startup")
MORE = ("failover",)
"""Run by name alone."""


def main() -> int:
    """0, or 1 when a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, *MORE, "all"))
    parser.add_argument("--json", action="store_true", help="one JSON line instead of text")
    arguments = parser.parse_args()
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        try:
            show(importlib.import_module(f"benchmarks.{name}").run(), as_json=arguments.json)
        except WrongResultError as error:
            sys.stderr.write(f"{name}: a wrong result, so there is no figure: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
