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
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent

# Unit tests and simulations share nothing, so they fill two cores; the other layers start clusters and watch clocks.
# Unit tests wait a fifth of their time (for processes, for short timeouts); a third worker works meanwhile.
# The house rules over this tree (tests/tidy) are a part of `make check`, which CI runs before this.
LAYERS = {
    "unit": ["-n", "3", "--dist=worksteal"],
    "simulation": ["-n", "2"],
    "stories": [],
    "integration": [],
    "chaos": [],
}

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


def summary(results: list[LayerResult]) -> str:
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
    return "\n".join([*rows, total, "", f"{passed} passed, {failed} failed, {skipped} skipped"])


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run every layer that exists; the exit code is 1 when something failed or when no test ran at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nightly", action="store_true", help="also run the tests marked nightly")
    nightly: bool = parser.parse_args(arguments).nightly

    selection = NIGHT if nightly else DAY
    layers = {name: options for name, options in LAYERS.items() if (root / "tests" / name).is_dir()}
    results = [run_layer(root, name, [*options, *selection]) for name, options in layers.items()]
    print(f"\n{summary(results)}", flush=True)
    if not any(result.passed or result.failed for result in results):
        print("No test ran, which proves nothing.", file=sys.stderr)
        return 1
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
