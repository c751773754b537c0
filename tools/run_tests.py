"""Runs the tests layer by layer, ends with the seconds of each layer and one line that sums up all.

A failing layer does not stop the ones behind it: the table at the end is worth most when something is broken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent

# The first three share nothing, so they fill two cores. Integration tests start clusters of their own and wait much, a
# file of them beside another; chaos watches the clock, and stories take no time.
# Unit tests wait a fifth of their time (for processes, for short timeouts); a third worker works meanwhile.
# The house rules over this tree (tests/tidy) are a part of `make check`, which CI runs before this.
LAYERS = {
    "unit": ["-n", "3", "--dist=worksteal"],
    "interpreter": ["-n", "2", "--dist=worksteal"],
    "simulation": ["-n", "2"],
    "stories": [],
    "integration": ["-n", "2", "--dist=loadfile"],
    "chaos": [],
}

# Of the day's set, in seconds: 5,000 seeds of the simulation, and all layers together. What takes longer is said; in CI
# it fails when it takes half as long again, for one machine is that much slower than another, or than itself when busy.
LIMITS_S = {"simulation": 180}
LIMIT_S = 15 * 60
BUSY = 1.5

DAY = ["-m", "not nightly"]
NIGHT = ["--hypothesis-profile=nightly", "--timeout=1200"]  # twenty times the examples of a day need more than a minute

NO_TESTS_COLLECTED = 5  # pytest's exit code; a layer may consist of nightly tests only


@dataclass(frozen=True)
class LayerResult:
    """How one layer ended."""

    name: str
    seconds: float
    passed: int
    failed: int
    skipped: int
    exit_code: int

    @property
    def is_good(self) -> bool:
        """Whether nothing failed, outside of the tests as well (a broken conftest, a crash)."""
        return self.failed == 0 and self.exit_code in {0, NO_TESTS_COLLECTED}


def read_counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped from pytest's JUnit file; all zero when pytest died before it wrote one."""
    if not report.exists():
        return 0, 0, 0
    # Our own pytest has just written this file.
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314  # see the line above
    passed = failed = skipped = 0
    for suite in suites:
        broken = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        left_out = int(suite.get("skipped", "0"))
        failed += broken
        skipped += left_out
        # A test that fails and then fails its teardown too is one test and two failures.
        passed += max(0, int(suite.get("tests", "0")) - broken - left_out)
    return passed, failed, skipped


def in_ci() -> bool:
    """Whether this run decides about a change; as in tests.support.components, which a tool can't import."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def environment() -> dict[str, str]:
    """Ours, but for what keeps Python from storing its bytecode: each of the many processes that tests start would
    compile everything again.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run_layer(root: Path, name: str, options: list[str]) -> LayerResult:
    """Run pytest over one folder of tests, its output going where ours goes."""
    print(f"\n=== tests/{name}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *options, f"tests/{name}"]
        exit_code = subprocess.run(command, cwd=root, env=environment(), check=False).returncode
        passed, failed, skipped = read_counts(report)
    if failed == 0 and exit_code not in {0, NO_TESTS_COLLECTED}:
        failed = 1  # pytest itself failed: that must show in the sum
    return LayerResult(name, time.perf_counter() - start, passed, failed, skipped, exit_code)


def too_slow(results: Sequence[LayerResult], allowed: float = 1.0) -> list[str]:
    """A line for each limit of which more than that part was taken."""
    took = {f"tests/{result.name}": (result.seconds, LIMITS_S.get(result.name)) for result in results}
    took["the whole"] = (sum(result.seconds for result in results), LIMIT_S)
    return [
        f"TOO SLOW: {name} took {seconds:.1f} s, the limit is {limit} s (tools/run_tests.py)"
        for name, (seconds, limit) in took.items()
        if limit is not None and seconds > allowed * limit
    ]


def summary(results: list[LayerResult], slow: Sequence[str] = ()) -> str:
    """The table and the closing line."""
    rows = [
        f"  {'ok' if result.is_good else 'FAILED':<7} tests/{result.name:<12} {result.seconds:7.1f} s"
        f"   {result.passed} passed, {result.failed} failed, {result.skipped} skipped"
        for result in results
    ]
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    seconds = sum(result.seconds for result in results)
    total = f"  in all  {'':<18} {seconds:7.1f} s"
    return "\n".join([*rows, total, "", *slow, f"{passed} passed, {failed} failed, {skipped} skipped"])


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run every layer that exists; the exit code is 1 when something failed, when no test ran at all, or when CI had to
    wait for too long.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nightly", action="store_true", help="also run the tests marked nightly")
    nightly: bool = parser.parse_args(arguments).nightly

    selection = NIGHT if nightly else DAY
    layers = {name: options for name, options in LAYERS.items() if (root / "tests" / name).is_dir()}
    results = [run_layer(root, name, [*options, *selection]) for name, options in layers.items()]
    slow = [] if nightly else too_slow(results)
    print(f"\n{summary(results, slow)}", flush=True)
    if not any(result.passed or result.failed for result in results):
        print("No test ran, which proves nothing.", file=sys.stderr)
        return 1
    fails = not nightly and in_ci() and bool(too_slow(results, BUSY))
    return 0 if all(result.is_good for result in results) and not fails else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
